//! Making keys: all or none, and each at most once by its caller's idempotency key.

use std::collections::HashSet;

use latchkey_core::id::KeyId;
use latchkey_core::ports::Changed;
use latchkey_core::trouble::Refusal;
use latchkey_management::ports::{AuditEntry, Made, NewKey, Written};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use super::insert;
use crate::entity::key::{Column, Entity};
use crate::entry;
use crate::pool::Lease;
use crate::query;
use crate::row::Place;
use crate::stop::Stop;

/// Makes the keys that this very call hasn't made before.
pub(crate) async fn keys(
    lease: Lease,
    keys: Vec<NewKey>,
    audit: &AuditEntry,
) -> Result<Written<Vec<Made>>, Stop> {
    let inserted = insert::keys(&lease, &keys).await?;
    let mut before = Vec::new();
    for (place, key) in keys.iter().enumerate().filter(|(_, key)| !inserted.contains(&key.record.id)) {
        before.push(made_before(&lease, place, key).await?);
    }
    let revision = number(&lease, &keys, &inserted, audit).await?;
    let mut before = before.into_iter();
    let mut next = revision.first;
    let mut made = Vec::new();
    for mut key in keys {
        if inserted.contains(&key.record.id) {
            (key.record.revision, next) = (next, next + 1);
            made.push(Made::New(key.record));
        } else if let Some(id) = before.next() {
            let key = query::key::by_id(&lease, id).await?;
            made.push(Made::Before(key.ok_or_else(|| Place::new("keys", &id).spoiled("being gone"))?));
        }
    }
    lease.commit().await?;
    Ok(Written { value: made, revision: revision.last })
}

/// The revisions that a call's keys got; both zero where none was made.
struct Revisions {
    first: u64,
    last: u64,
}

async fn number(
    lease: &Lease,
    keys: &[NewKey],
    inserted: &HashSet<KeyId>,
    audit: &AuditEntry,
) -> Result<Revisions, Stop> {
    let new: Vec<_> = keys.iter().map(|key| &key.record).filter(|key| inserted.contains(&key.id)).collect();
    if new.is_empty() {
        return Ok(Revisions { first: 0, last: 0 });
    }
    let changes: Vec<Changed> = new.iter().map(|key| Changed::Key(key.hash)).collect();
    let first = entry::leave(lease, &changes, audit).await?;
    let ids: Vec<KeyId> = new.iter().map(|key| key.id).collect();
    insert::number_keys(lease, &ids, first).await?;
    Ok(Revisions { first, last: first + (changes.len() as u64) - 1 })
}

/// The key that the same call made, where that is why this one couldn't be.
async fn made_before(lease: &Lease, place: usize, key: &NewKey) -> Result<KeyId, Stop> {
    if let Some((name, asked)) = &key.idempotency {
        let of_tenant = Column::TenantId.eq(key.record.tenant.0);
        let query = Entity::find().select_only().columns([Column::Id, Column::IdempotencyHash]);
        let query = query.filter(of_tenant).filter(Column::IdempotencyKey.eq(name));
        let found: Option<(Uuid, Option<Vec<u8>>)> = query.into_tuple().one(lease).await?;
        if let Some((id, before)) = found {
            let same = before.as_deref() == Some(asked.as_slice());
            let other = || Refusal::AlreadyExists("the idempotency key was used for another call".to_owned());
            return same.then_some(KeyId(id)).ok_or_else(|| other().into());
        }
    }
    Err(taken(place).into())
}

/// The value is somebody's already. Whose, and which value, is nobody's business.
pub(super) fn taken(place: usize) -> Refusal {
    Refusal::AlreadyExists(format!("keys[{place}] exists already"))
}
