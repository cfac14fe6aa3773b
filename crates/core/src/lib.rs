//! The law: what is asked ([`access`]), who asks ([`record`]), whether they may ([`gate`]), how often
//! ([`limit`]), and how what they hold is made ([`mint`]).
//!
//! Nothing here opens a socket, reads a clock or the environment, or knows a database: what is needed
//! from outside is a parameter, or a port in [`ports`].

pub mod access;
pub mod brief;
pub mod decision;
pub mod enforce;
pub mod gate;
pub mod id;
pub mod kind;
pub mod limit;
pub mod memory;
pub mod mint;
pub mod operator;
pub mod policy;
pub mod ports;
pub mod principal;
pub mod reason;
pub mod record;
pub mod route;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod thread;
pub mod time;
pub mod token;
pub mod trouble;
pub mod usage;
pub mod user;
mod weight;
pub mod witness;
