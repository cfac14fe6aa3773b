//! Deletes a key or a user, if a rule lets it.

use latchkey_core::error::RequestError;
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::ports::{ChangeEffect, ChangeSubject, PendingChange};
use latchkey_management::ports::deletion::{KeyDeletionRule, UserDeletionRule};
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use super::erase::{self, DeletedBy};
use super::{change, stored};
use crate::entity::{deletion, user};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::row::{self, number};

/// Deletes a key with its token families.
pub(crate) async fn key(
    connection: PooledConnection,
    id: KeyId,
    rule: KeyDeletionRule<'_>,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let key = change::locked(&connection, id).await?;
    rule(&key)?;
    let by = DeletedBy { tenant: key.tenant, actor: &audit.actor, at: audit.time, revision: 0 };
    erase::keys(&connection, &[(id.0, key.hash)], by).await?;
    let change = ChangeSubject::Key(key.hash).with_effect(Some(ChangeEffect::Revoked));
    finish(connection, id.0, change, audit).await
}

/// Deletes a user with its token families.
pub(crate) async fn user(
    connection: PooledConnection,
    id: UserId,
    rule: UserDeletionRule<'_>,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let row = user::Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    let user = row::user::record(row.ok_or_else(|| RequestError::not_found("user", &id))?)?;
    rule(&user)?;
    let by = DeletedBy { tenant: user.tenant, actor: &audit.actor, at: audit.time, revision: 0 };
    erase::users(&connection, &[(id.0, user.email)], by).await?;
    let change = ChangeSubject::User(id).with_effect(Some(ChangeEffect::Disabled));
    finish(connection, id.0, change, audit).await
}

/// Appends the deletion to the journal, sets the revision of its record, and commits.
async fn finish(
    connection: PooledConnection,
    id: Uuid,
    change: PendingChange,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    set_revision(&connection, id, appended.first).await?;
    connection.commit().await?;
    Ok(WriteResult::written(appended.first, ()).with_history(appended.history))
}

/// Sets the revision of a record that was just inserted.
pub(super) async fn set_revision(
    connection: &PooledConnection,
    id: Uuid,
    revision: u64,
) -> Result<(), StoreError> {
    let revision = Expr::value(number::to_i64(revision));
    let update = deletion::Entity::update_many().col_expr(deletion::Column::Revision, revision);
    let updated = update.filter(deletion::Column::Id.eq(id)).exec(connection).await?;
    stored::all("deletions", 1, updated.rows_affected)
}
