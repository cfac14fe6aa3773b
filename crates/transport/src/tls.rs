//! TLS on a port: from the settings' files a configuration that connections are accepted with, changed while
//! the process runs when the files change. What doesn't work is told, and what held before is kept. Open connections
//! keep what they began with, but for those whose client certificate would be refused now: they are cut off.

mod acceptor;
mod clients;
mod crl;
mod der;
mod error;
mod files;
mod handshake_error;
mod reload;
mod san;
mod sessions;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use acceptor::{Acceptor, Protocol, TlsConnection};
pub use clients::ClientAuthFiles;
pub use crl::{CrlStatus, CrlValidity};
pub use error::TlsFileError;
pub use files::{SettingFile, TlsFiles, check_files};
pub(crate) use handshake_error::is_revocation_error;
pub(crate) use sessions::ConnectionGuard;
