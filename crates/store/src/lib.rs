//! The ledger: the one authority on keys, tenants and profiles, on SQLite or PostgreSQL.
//!
//! [`Store`] implements core's ports. A question goes through [`pool`] (a connection, under a deadline), a
//! query file, and [`row`], which turns rows into records or says what is wrong with them. Every write ends
//! in [`journal`]: its revision, its rows of the change feed and its audit event, in its own transaction.

mod entity;
mod error;
mod journal;
mod notifications;
mod pool;
mod prune;
mod query;
mod replicas;
mod row;
mod store;
mod write;

pub use pool::{Connections, InvalidUrl};
pub use store::{ManagementLookups, Store, StoreOptions};
