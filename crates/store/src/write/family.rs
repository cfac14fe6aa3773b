//! Starts, renews, ends and deletes token families. Starting and renewing only append to the audit log, since
//! they change nothing that a replica caches; ending also appends to the change feed.

use latchkey_core::error::RequestError;
use latchkey_core::id::FamilyId;
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query};

use crate::entity::{family, refresh};
use crate::error::StoreError;
use crate::journal::{self, ROWS};
use crate::pool::PooledConnection;
use crate::row;

/// Starts a family with its first refresh token.
pub(crate) async fn begin(
    connection: PooledConnection,
    family: &FamilyRecord,
    first: &RefreshRecord,
    audit: &AuditEntry,
) -> Result<(), StoreError> {
    family::Entity::insert(row::token::family_row(family)).exec_without_returning(&connection).await?;
    refresh::Entity::insert(row::token::refresh_row(first)).exec_without_returning(&connection).await?;
    journal::append_audit(&connection, audit).await?;
    Ok(connection.commit().await?)
}

/// Marks a token as used and stores its successor, unless it is already used or its family has ended. Of any
/// number of concurrent callers, the one whose statement changes the row succeeds.
pub(crate) async fn spend(
    connection: PooledConnection,
    hash: &KeyHash,
    spent: &Redemption,
    successor: &RefreshRecord,
    audit: &AuditEntry,
) -> Result<bool, StoreError> {
    let living = Query::select()
        .column(family::Column::Id)
        .from(family::Entity)
        .and_where(family::Column::Id.eq(successor.family.0))
        .and_where(family::Column::EndedAt.is_null())
        .take();
    let spend = refresh::Entity::update_many()
        .col_expr(refresh::Column::SpentAt, Expr::value(spent.at.0))
        .col_expr(refresh::Column::Successor, Expr::value(spent.successor.0.clone()))
        .col_expr(refresh::Column::SuccessorScopes, Expr::value(row::token::scopes(&spent.scopes)))
        .filter(refresh::Column::Hash.eq(hash.0.to_vec()))
        .filter(refresh::Column::SpentAt.is_null())
        .filter(Expr::col(refresh::Column::FamilyId).in_subquery(living));
    if spend.exec(&connection).await?.rows_affected == 0 {
        return Ok(false);
    }
    refresh::Entity::insert(row::token::refresh_row(successor)).exec_without_returning(&connection).await?;
    journal::append_audit(&connection, audit).await?;
    connection.commit().await?;
    Ok(true)
}

/// Ends a family.
pub(crate) async fn end(
    connection: PooledConnection,
    id: FamilyId,
    at: Timestamp,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let row = family::Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    if row.ok_or(RequestError::NotFound("family"))?.ended_at.is_some() {
        return journal::unchanged_at_head(&connection, ()).await;
    }
    let ended = family::ActiveModel { id: Unchanged(id.0), ended_at: Set(Some(at.0)), ..Default::default() };
    family::Entity::update(ended).exec_without_returning(&connection).await?;
    let change = ChangeSubject::Family(id).with_effect(Some(ChangeEffect::Ended));
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    connection.commit().await?;
    Ok(WriteResult::written(appended.first, ()).with_history(appended.history))
}

/// Deletes some of the families that ended before a time, with their tokens. Returns how many.
pub(crate) async fn prune(connection: PooledConnection, before: Timestamp) -> Result<u64, StoreError> {
    let over = family::Entity::find().filter(family::Column::EndsAt.lt(before.0)).limit(ROWS as u64);
    let ids: Vec<Uuid> = over.all(&connection).await?.into_iter().map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let tokens = refresh::Entity::delete_many().filter(refresh::Column::FamilyId.is_in(ids.clone()));
    tokens.exec(&connection).await?;
    let gone = family::Entity::delete_many().filter(family::Column::Id.is_in(ids)).exec(&connection).await?;
    connection.commit().await?;
    Ok(gone.rows_affected)
}
