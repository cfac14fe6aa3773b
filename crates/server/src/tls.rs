//! TLS on a port: from the settings' files a configuration that connections are accepted with, changed while
//! the process runs when the files change. A pair that doesn't work is told, and the one before is kept.

mod accept;
mod ends;
mod files;
mod names;
mod reload;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub(crate) use accept::{Acceptor, Protocol};
pub(crate) use files::{Files, check};
