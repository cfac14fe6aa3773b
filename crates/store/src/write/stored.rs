//! Comparison of the rows that a statement changed with those that it names.
//!
//! A trigger that returns NULL, a rule and a policy of the database can keep a row from being written, and the statement still
//! succeeds. A write that is acknowledged must therefore be counted. The caller knows the number: it has locked the rows, or
//! read them in the same transaction, which is rolled back after the error.

use sea_orm::{DbErr, UpdateResult};

use crate::error::StoreError;

/// Fails if a statement has changed fewer rows of a table than it names.
pub(crate) fn all(table: &'static str, named: usize, changed: u64) -> Result<(), StoreError> {
    if changed >= named as u64 { Ok(()) } else { Err(lost(table)) }
}

/// Fails if an update of one row has not changed it.
pub(crate) fn one(table: &'static str, updated: Result<UpdateResult, DbErr>) -> Result<(), StoreError> {
    match updated {
        Err(DbErr::RecordNotUpdated) => Err(lost(table)),
        updated => Ok(updated.map(drop)?),
    }
}

/// Returns the error of a write that the database did not store, and logs the table.
pub(crate) fn lost(table: &'static str) -> StoreError {
    tracing::error!(
        target: "latchkey::internal", table,
        "the database did not store a write, although it answered that it did: a trigger, a rule or row-level security of \
         the table keeps rows from being written; remove it, since nothing is acknowledged that is not stored"
    );
    StoreError::NotStored
}
