//! Domain logic of Latchkey: the input of a decision ([`check_input`]), tenants and keys ([`record`]), the
//! decision itself ([`gate`]), rate limits ([`limit`]), the replica's cache ([`cache`]), and how key values
//! and tokens are made and verified ([`mint`], [`token`]).
//!
//! Nothing in this crate opens a socket, reads a clock or the environment, or knows a database. Whatever is
//! needed from outside is a parameter, or a trait in [`ports`].

pub mod cache;
pub mod cached_key;
pub mod check_input;
pub mod choices;
pub mod decision;
pub mod enforcement;
pub mod error;
pub mod excerpt;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gate;
mod heap_size;
pub mod id;
pub mod imported_hash;
pub mod in_force;
pub mod key_kind;
pub mod limit;
pub mod logged_causes;
pub mod login;
pub mod mint;
pub mod network;
pub mod observer;
pub mod operator;
pub mod policy;
pub mod ports;
pub mod principal;
pub mod profile_change;
pub mod reason;
pub mod record;
pub mod route;
pub mod same_value;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod thread;
pub mod time;
pub mod token;
pub mod usage;
pub mod user;
pub mod visible;
