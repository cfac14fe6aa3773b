//! Stores a profile's document as the next version, unless the newest version is identical. The document was
//! checked against the other profiles before; if one of them has changed since, nothing is written.

use latchkey_core::ports::ChangeSubject;
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::{ApplyResult, AuditEntry, NewProfileVersion, WriteResult};
use sea_orm::entity::prelude::*;

use crate::entity::profile::Entity;
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query;
use crate::row;
use crate::write::stored;

/// Stores the document. The head is locked from the start, so that of two concurrent calls the second continues
/// from the first one's version.
pub(crate) async fn apply(
    connection: PooledConnection,
    new: NewProfileVersion<'_>,
    audit: &AuditEntry,
) -> Result<ApplyResult, StoreError> {
    let NewProfileVersion { name, document, comment, expected_revision } = new;
    journal::lock_head(&connection).await?;
    if query::profile::newest_revision(&connection).await? != expected_revision {
        return Ok(ApplyResult::Conflict);
    }
    let newest = query::profile::last_row(&connection, name).await?;
    let version = match newest {
        Some(newest) if newest.document == document => {
            let unchanged = journal::unchanged(&connection, newest.revision, newest).await?;
            return Ok(ApplyResult::Written(unchanged));
        }
        newest => newest.map_or(0, |newest| newest.version) + 1,
    };
    let change = ChangeSubject::Profile(name.into()).into();
    let audit = audit.clone().with_detail("version", version.to_string());
    let appended = journal::append_changes(&connection, &[change], &audit).await?;
    let revision = appended.first;
    let (name, document) = (name.into(), document.to_owned());
    let (applied_by, comment) = (audit.actor.as_str().into(), comment.into());
    let value = ProfileRecord { name, version, document, applied: audit.time, applied_by, comment, revision };
    let inserted = Entity::insert(row::profile::row(&value)).exec_without_returning(&connection).await?;
    stored::all("profiles", 1, inserted)?;
    connection.commit().await?;
    Ok(ApplyResult::Written(WriteResult::written(revision, value).with_history(appended.history)))
}
