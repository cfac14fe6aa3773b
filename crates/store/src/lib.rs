//! SQL persistence of keys, tenants, users, tokens and profiles on SQLite or PostgreSQL. The database is the
//! only authority.
//!
//! [`Store`] implements core's ports. A query passes through [`pool`] (a connection, under a deadline), a file
//! of `query`, and [`row`], which converts rows into records or reports them as corrupt. Every write ends in
//! [`journal`], which appends its revision, its change-feed rows and its audit event in the same transaction. The
//! frequent writes share transactions: see [`batch`].

mod batch;
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

pub use pool::{
    Connections, DatabaseFailure, DatabaseFileError, Dialect, Durability, InvalidUrl, MismatchedFiles,
    Pooler, Transport, UnsafePlace, cause_of, check_url, commit_migrations,
};
pub use store::{Integrity, ManagementLookups, Store, StoreOptions};
pub use write::token_event::PrunedEvents;
