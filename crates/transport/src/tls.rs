//! TLS on a port. The configuration is built from the files that the settings name, and rebuilt when they change. If the
//! changed files cannot be used, that is logged and the previous configuration stays in force. Open connections keep the
//! configuration that they began with, except that a connection whose client certificate would now be rejected is closed.

mod acceptor;
mod clients;
mod crl;
mod error;
mod files;
mod handshake_error;
mod reload;
mod san;
mod sessions;
mod validity;
mod x509;

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
pub use validity::{CertificateRole, CertificateStatus, CertificateValidity, certificate_validities};
