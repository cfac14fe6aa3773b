//! Changes a key by a rule, which decides while no other transaction can change the key: of two concurrent
//! revocations, the second sees the key as already revoked.

use latchkey_core::error::RequestError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_management::ports::{AuditEntry, KeyRotationFn, KeyUpdateFn, NewKey, WriteResult};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, QuerySelect};

use super::create::taken;
use super::{insert, stored};
use crate::entity::{grant, key};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::row;

/// Replaces the key by the rule's result.
pub(crate) async fn key(
    connection: PooledConnection,
    id: KeyId,
    rule: KeyUpdateFn<'_>,
    audit: &AuditEntry,
) -> Result<WriteResult<KeyRecord>, StoreError> {
    let before = locked(&connection, id).await?;
    let mut after = rule(&before)?;
    if after == before {
        return journal::unchanged(&connection, before.revision, before).await;
    }
    let change = ChangeSubject::Key(before.hash).with_effect(effect(&before, &after));
    let audit = audit.clone().with_change_of_key(&before, &after);
    let appended = journal::append_changes(&connection, &[change], &audit).await?;
    after.revision = appended.first;
    write(&connection, &before, &after).await?;
    connection.commit().await?;
    Ok(WriteResult::written(after.revision, after).with_history(appended.history))
}

/// Replaces the key by the rule's result, and inserts its successor.
pub(crate) async fn rotate(
    connection: PooledConnection,
    id: KeyId,
    rule: KeyRotationFn<'_>,
    audit: &AuditEntry,
) -> Result<WriteResult<(KeyRecord, KeyRecord)>, StoreError> {
    let before = locked(&connection, id).await?;
    let (mut old, mut new) = rule(&before)?;
    let successor = NewKey { record: new.clone(), idempotency: None, imported: false };
    if insert::keys(&connection, &[&successor]).await?.is_empty() {
        return Err(taken(0).into());
    }
    let ended = ChangeSubject::Key(before.hash).with_effect(effect(&before, &old));
    let changes = [ended, ChangeSubject::Key(new.hash).into()];
    let appended = journal::append_changes(&connection, &changes, audit).await?;
    old.revision = appended.first;
    new.revision = old.revision + 1;
    write(&connection, &before, &old).await?;
    insert::number_key(&connection, new.id, new.revision).await?;
    connection.commit().await?;
    Ok(WriteResult::written(new.revision, (old, new)).with_history(appended.history))
}

/// Returns the access that a change of a key takes away. Each change of a disabled key has the effect "disabled",
/// because a replica records only the newest change, and disables the key again if the database loses it. A restriction
/// takes precedence, because replicas keep it through later changes.
pub(super) fn effect(before: &KeyRecord, after: &KeyRecord) -> Option<ChangeEffect> {
    let ends = |key: &KeyRecord| key.expires.map_or(i64::MAX, |at| at.0);
    match (&before.lifecycle, &after.lifecycle) {
        (KeyLifecycle::Active | KeyLifecycle::Disabled, KeyLifecycle::Revoked { .. }) => {
            Some(ChangeEffect::Revoked)
        }
        _ if before.scopes.iter().any(|scope| !after.scopes.contains(scope))
            || before.bindings != after.bindings
            || before.networks != after.networks
            || ends(after) < ends(before) =>
        {
            Some(ChangeEffect::Restricted)
        }
        (_, KeyLifecycle::Disabled) => Some(ChangeEffect::Disabled),
        _ => None,
    }
}

/// Returns the key, locked until the transaction ends. Its scopes are read afterwards: a statement that has
/// waited for a lock sees the locked row's new version, but every other row as it was before the wait.
pub(super) async fn locked(connection: &PooledConnection, id: KeyId) -> Result<KeyRecord, StoreError> {
    let row = key::Entity::find_by_id(id.0).lock_exclusive().one(connection).await?;
    let row = row.ok_or_else(|| RequestError::not_found("key", &id))?;
    let scopes = grant::Entity::find().filter(grant::Column::KeyId.eq(id.0)).all(connection).await?;
    row::key::record(row, scopes.into_iter().map(|grant| grant.scope).collect())
}

async fn write(
    connection: &PooledConnection,
    before: &KeyRecord,
    after: &KeyRecord,
) -> Result<(), StoreError> {
    let row = key::ActiveModel { id: ActiveValue::Unchanged(before.id.0), ..row::key::row(after) };
    stored::one("keys", key::Entity::update(row).exec_without_returning(connection).await)?;
    if before.scopes != after.scopes {
        let all = grant::Entity::delete_many().filter(grant::Column::KeyId.eq(before.id.0));
        // The key is locked, so that nothing else changes its scopes.
        stored::all("grants", before.scopes.len(), all.exec(connection).await?.rows_affected)?;
        insert::grants(connection, std::iter::once(after)).await?;
    }
    Ok(())
}
