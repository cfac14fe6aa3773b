//! Applying a profile's document: the next version, unless the newest says the very same. It was held against the
//! other profiles before; where one of them has changed since, nothing is written.

use latchkey_core::ports::ChangeSubject;
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::{ApplyResult, AuditEntry, WriteResult};
use sea_orm::entity::prelude::*;

use crate::entity::profile::Entity;
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query;
use crate::row;

/// Stores the document. The ledger is locked from the start: of two who apply at once, the second counts on
/// from the first.
pub(crate) async fn apply(
    connection: PooledConnection,
    (name, document): (&str, &str),
    expected_revision: u64,
    audit: &AuditEntry,
) -> Result<ApplyResult, StoreError> {
    journal::lock_head(&connection).await?;
    if query::profile::newest_revision(&connection).await? != expected_revision {
        return Ok(ApplyResult::Conflict);
    }
    let newest = query::profile::version(&connection, name, None).await?;
    let version = match newest {
        Some(newest) if newest.document == document => {
            return Ok(ApplyResult::Written(WriteResult { value: newest, revision: 0 }));
        }
        newest => newest.map_or(0, |newest| newest.version) + 1,
    };
    let revision =
        journal::append_changes(&connection, &[ChangeSubject::Profile(name.into())], audit).await?;
    let (name, document) = (name.into(), document.to_owned());
    let value = ProfileRecord { name, version, document, applied: audit.time, revision };
    Entity::insert(row::profile::row(&value)).exec_without_returning(&connection).await?;
    connection.commit().await?;
    Ok(ApplyResult::Written(WriteResult { value, revision }))
}
