//! TLS on a port: from the settings' files a configuration that connections are accepted with, changed while
//! the process runs when the files change. What doesn't work is told, and what held before is kept. Open connections
//! keep what they began with, but for those whose client certificate would be refused now: they are cut off.

mod accept;
mod clients;
mod der;
mod files;
mod lists;
mod names;
mod open;
mod problem;
mod refused;
mod reload;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use accept::{Acceptor, Admitted, Protocol};
pub use clients::Clients;
pub use files::{Files, Named, check};
pub use lists::{Age, Term};
pub(crate) use open::Stay;
pub use problem::TlsProblem;
pub(crate) use refused::by_lists;
