//! Deletes a tenant in three steps: its access ends, its keys and users are erased in batches, and its row is removed.
//! Each step can be repeated, so that a call that was interrupted is continued by the next one.

use latchkey_core::error::RequestError;
use latchkey_core::id::TenantId;
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::deletion::ErasedObjects;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use super::delete::set_revision;
use super::erase::{self, DeletedBy};
use super::stored;
use crate::entity::{deletion, key, tenant, user};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query::deletion::{TENANT, revision_of_tenant};
use crate::query::tenant::{is_ended, slug_of_ended};
use crate::row::{RowContext, limits, number};

/// Largest number of keys, and of users, that one transaction erases.
const BATCH: u64 = 200;

/// Ends a tenant: suspends it, erases what describes it and frees its slug.
pub(crate) async fn begin(
    connection: PooledConnection,
    id: TenantId,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let row = tenant::Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    if let Some(revision) = revision_of_tenant(&connection, id).await? {
        return journal::unchanged(&connection, revision, ()).await;
    }
    let row = row.ok_or_else(|| RequestError::not_found("tenant", &id))?;
    let by = DeletedBy { tenant: id, actor: &audit.actor, at: audit.time, revision: 0 };
    let record = deletion::Model { slug: Some(row.slug.clone()), ..by.record(id.0, TENANT) };
    erase::records(&connection, std::iter::once(record)).await?;
    let change = ChangeSubject::Tenant(id).with_effect(Some(ChangeEffect::Suspended));
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    set_revision(&connection, id.0, appended.first).await?;
    let ended = tenant::ActiveModel {
        id: Unchanged(id.0),
        slug: Set(slug_of_ended(id)),
        display_name: Set(String::new()),
        profile: Unchanged(row.profile),
        plan: Set(None),
        suspended: Set(true),
        limits: Set(limits::NONE.to_owned()),
        created_at: Unchanged(row.created_at),
        revision: Set(number::to_i64(appended.first)),
    };
    stored::one("tenants", tenant::Entity::update(ended).exec_without_returning(&connection).await)?;
    connection.commit().await?;
    Ok(WriteResult::written(appended.first, ()).with_history(appended.history))
}

/// Erases a batch of the keys and users of a tenant that has ended.
pub(crate) async fn erase(
    connection: PooledConnection,
    id: TenantId,
    actor: &str,
) -> Result<ErasedObjects, StoreError> {
    let Some(revision) = revision_of_tenant(&connection, id).await? else {
        return Ok(ErasedObjects::default());
    };
    let deletion = deletion::Entity::find_by_id(id.0).one(&connection).await?;
    let at = Timestamp(deletion.map_or(0, |row| row.deleted_at));
    let by = DeletedBy { tenant: id, actor, at, revision };
    let keys = key::Entity::find()
        .select_only()
        .columns([key::Column::Id, key::Column::Hash])
        .filter(key::Column::TenantId.eq(id.0))
        .limit(BATCH)
        .lock_exclusive();
    let keys: Vec<(Uuid, Vec<u8>)> = keys.into_tuple().all(&connection).await?;
    let users = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Email])
        .filter(user::Column::TenantId.eq(id.0))
        .limit(BATCH)
        .lock_exclusive();
    let users: Vec<(Uuid, String)> = users.into_tuple().all(&connection).await?;
    let hashed = |(id, hash): (Uuid, Vec<u8>)| match hash.as_slice().try_into() {
        Ok(hash) => Ok((id, KeyHash(hash))),
        Err(_) => Err(RowContext::new("keys", &id).corrupt("hash")),
    };
    let keys: Vec<(Uuid, KeyHash)> = keys.into_iter().map(hashed).collect::<Result<_, _>>()?;
    if !keys.is_empty() {
        erase::keys(&connection, &keys, by).await?;
    }
    if !users.is_empty() {
        erase::users(&connection, &users, by).await?;
    }
    connection.commit().await?;
    Ok(ErasedObjects { keys: keys.len() as u64, users: users.len() as u64 })
}

/// Removes the row of a tenant without keys and users. Returns false if it has some.
pub(crate) async fn finish(
    connection: PooledConnection,
    id: TenantId,
    audit: &AuditEntry,
) -> Result<bool, StoreError> {
    let row = tenant::Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    let Some(row) = row.filter(|row| is_ended(&row.slug)) else { return Ok(true) };
    let key = key::Entity::find().filter(key::Column::TenantId.eq(id.0)).limit(1).one(&connection).await?;
    let user = user::Entity::find().filter(user::Column::TenantId.eq(id.0)).limit(1).one(&connection).await?;
    if key.is_some() || user.is_some() {
        return Ok(false);
    }
    let deleted = tenant::Entity::delete_by_id(row.id).exec(&connection).await?;
    stored::all("tenants", 1, deleted.rows_affected)?;
    journal::append_audit(&connection, audit).await?;
    connection.commit().await?;
    Ok(true)
}
