//! Changing a key by a rule, which decides on the key as it is while nobody else can change it: of two
//! who revoke it at once, the second is told that it is revoked.

use latchkey_core::id::KeyId;
use latchkey_core::ports::Changed;
use latchkey_core::record::KeyRecord;
use latchkey_core::trouble::Refusal;
use latchkey_management::ports::{AuditEntry, KeyRule, NewKey, RotateRule, Written};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, QuerySelect};

use super::create::taken;
use super::insert;
use crate::entity::{grant, key};
use crate::entry;
use crate::pool::Lease;
use crate::row;
use crate::stop::Stop;

/// Makes the key what the rule says.
pub(crate) async fn key(
    lease: Lease,
    id: KeyId,
    rule: KeyRule<'_>,
    audit: &AuditEntry,
) -> Result<Written<KeyRecord>, Stop> {
    let before = locked(&lease, id).await?;
    let mut after = rule(&before)?;
    if after == before {
        return Ok(Written { value: before, revision: 0 });
    }
    after.revision = entry::leave(&lease, &[Changed::Key(before.hash)], audit).await?;
    write(&lease, &before, &after).await?;
    lease.commit().await?;
    Ok(Written { revision: after.revision, value: after })
}

/// Makes the key and its successor what the rule says.
pub(crate) async fn rotate(
    lease: Lease,
    id: KeyId,
    rule: RotateRule<'_>,
    audit: &AuditEntry,
) -> Result<Written<(KeyRecord, KeyRecord)>, Stop> {
    let before = locked(&lease, id).await?;
    let (mut old, mut new) = rule(&before)?;
    let successor = NewKey { record: new.clone(), idempotency: None };
    if insert::keys(&lease, &[successor]).await?.is_empty() {
        return Err(taken(0).into());
    }
    let changes = [Changed::Key(before.hash), Changed::Key(new.hash)];
    old.revision = entry::leave(&lease, &changes, audit).await?;
    new.revision = old.revision + 1;
    write(&lease, &before, &old).await?;
    insert::number_keys(&lease, &[new.id], new.revision).await?;
    lease.commit().await?;
    Ok(Written { revision: new.revision, value: (old, new) })
}

/// The key, locked until the transaction ends. Its scopes are asked for afterwards: a statement that waited
/// for a lock sees the locked row anew, and every other row as it was before it waited.
async fn locked(lease: &Lease, id: KeyId) -> Result<KeyRecord, Stop> {
    let row = key::Entity::find_by_id(id.0).lock_exclusive().one(lease).await?;
    let row = row.ok_or(Refusal::NotFound("key"))?;
    let scopes = grant::Entity::find().filter(grant::Column::KeyId.eq(id.0)).all(lease).await?;
    row::key::record(row, scopes.into_iter().map(|grant| grant.scope).collect())
}

async fn write(lease: &Lease, before: &KeyRecord, after: &KeyRecord) -> Result<(), Stop> {
    let row = key::ActiveModel { id: ActiveValue::Unchanged(before.id.0), ..row::key::row(after) };
    key::Entity::update(row).exec_without_returning(lease).await?;
    if before.scopes != after.scopes {
        let all = grant::Entity::delete_many().filter(grant::Column::KeyId.eq(before.id.0));
        all.exec(lease).await?;
        insert::grants(lease, std::iter::once(after)).await?;
    }
    Ok(())
}
