//! Creates keys: all or none, and each at most once for its caller's idempotency key.

use std::collections::HashSet;

use latchkey_core::error::RequestError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::{ChangeSubject, HistoryHash, PendingChange};
use latchkey_management::ports::{AuditEntry, Created, NewKey, WriteResult};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use super::insert;
use crate::entity::key::{Column, Entity};
use crate::error::StoreError;
use crate::journal::{self, JournalEntry};
use crate::pool::PooledConnection;
use crate::query;
use crate::row::RowContext;

/// Inserts the keys that the same call has not created before.
pub(crate) async fn keys(
    connection: PooledConnection,
    keys: Vec<NewKey>,
    audit: &AuditEntry,
) -> Result<WriteResult<Vec<Created>>, StoreError> {
    let inserted = insert::keys(&connection, &keys.iter().collect::<Vec<_>>()).await?;
    let mut before = Vec::new();
    for (index, key) in keys.iter().enumerate().filter(|(_, key)| !inserted.contains(&key.record.id)) {
        before.push(existing_key(&connection, index, key).await?);
    }
    let revision = number(&connection, &keys, &inserted, audit).await?;
    let mut before = before.into_iter();
    let mut next = revision.first;
    let mut made = Vec::new();
    for mut key in keys {
        if inserted.contains(&key.record.id) {
            (key.record.revision, next) = (next, next + 1);
            made.push(Created::New(key.record));
        } else if let Some(id) = before.next() {
            let key = query::key::by_id(&connection, id).await?;
            made.push(Created::Existing(
                key.ok_or_else(|| RowContext::new("keys", &id).corrupt("being gone"))?,
            ));
        }
    }
    if inserted.is_empty() {
        // The keys exist already. Their creation is not newer than the newest write.
        return journal::unchanged_at_head(&connection, made).await;
    }
    connection.commit().await?;
    Ok(WriteResult::written(revision.last, made).with_history(revision.history))
}

/// First and last revision of the keys that a call has created, both zero if it has created none, and the history after
/// them.
#[derive(Default)]
struct Revisions {
    first: u64,
    last: u64,
    history: Option<HistoryHash>,
}

async fn number(
    connection: &PooledConnection,
    keys: &[NewKey],
    inserted: &HashSet<KeyId>,
    audit: &AuditEntry,
) -> Result<Revisions, StoreError> {
    let new: Vec<_> = keys.iter().map(|key| &key.record).filter(|key| inserted.contains(&key.id)).collect();
    if new.is_empty() {
        return Ok(Revisions::default());
    }
    let changes: Vec<PendingChange> = new.iter().map(|key| ChangeSubject::Key(key.hash).into()).collect();
    let ids: Vec<KeyId> = new.iter().map(|key| key.id).collect();
    let entry = [JournalEntry::new(&changes, audit)];
    let places = journal::append_with_keys(connection, &entry, &ids).await?;
    let journal::JournalPosition { first, history } = journal::single(places)?;
    Ok(Revisions { first, last: first + (changes.len() as u64) - 1, history })
}

/// Returns the key that an earlier attempt of the same call created, if that is why this one could not be
/// inserted.
async fn existing_key(
    connection: &PooledConnection,
    index: usize,
    key: &NewKey,
) -> Result<KeyId, StoreError> {
    if let Some((name, asked)) = &key.idempotency {
        let of_tenant = Column::TenantId.eq(key.record.tenant.0);
        let query = Entity::find().select_only().columns([Column::Id, Column::IdempotencyHash]);
        let query = query.filter(of_tenant).filter(Column::IdempotencyKey.eq(name));
        let found: Option<(Uuid, Option<Vec<u8>>)> = query.into_tuple().one(connection).await?;
        if let Some((id, before)) = found {
            let same = before.as_deref() == Some(asked.as_slice());
            let other =
                || RequestError::AlreadyExists("the idempotency key was used for another call".to_owned());
            return same.then_some(KeyId(id)).ok_or_else(|| other().into());
        }
    }
    Err(taken(index).into())
}

/// Returns the error that a key's value already exists. It reveals neither the owner nor the value.
pub(super) fn taken(index: usize) -> RequestError {
    RequestError::AlreadyExists(format!("keys[{index}] exists already"))
}
