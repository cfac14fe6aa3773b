//! Changes the state of many keys in one transaction. Each changed key has a change-feed row and an audit event of its own.

use std::collections::{HashMap, HashSet};

use latchkey_core::id::KeyId;
use latchkey_core::ports::{ChangeSubject, PendingChange};
use latchkey_core::record::KeyRecord;
use latchkey_management::ports::bulk::{BulkChange, ChangedKeys, KeyCheckFn};
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{CaseStatement, ExprTrait};
use sea_orm::{ActiveValue, QueryOrder, QuerySelect};

use super::{change::effect, stored};
use crate::entity::{grant, key};
use crate::error::StoreError;
use crate::journal::{self, JournalEntry};
use crate::pool::PooledConnection;
use crate::query;
use crate::row::{self, number};

/// A key before and after the change.
struct ChangedKey {
    before: KeyRecord,
    after: KeyRecord,
}

/// Changes the keys that are not in that state already.
pub(crate) async fn change(
    connection: PooledConnection,
    ids: &[KeyId],
    change: &BulkChange,
    check: KeyCheckFn<'_>,
    audit: &AuditEntry,
) -> Result<WriteResult<ChangedKeys>, StoreError> {
    let keys = locked(&connection, ids).await?;
    let all = keys.len() as u64;
    let mut changed = Vec::new();
    for before in keys {
        let Some(after) = change.apply(&before, audit.time) else { continue };
        check(&before, &after)?;
        changed.push(ChangedKey { before, after });
    }
    let counts = ChangedKeys { changed: changed.len() as u64, unchanged: all - changed.len() as u64 };
    if changed.is_empty() {
        return journal::unchanged_at_head(&connection, counts).await;
    }
    let changes: Vec<[PendingChange; 1]> = changed.iter().map(pending).collect();
    let events: Vec<AuditEntry> = changed.iter().map(|key| event(key, audit)).collect();
    let entries = changes.iter().zip(&events);
    let entries: Vec<_> = entries.map(|(changes, audit)| JournalEntry::new(changes, audit)).collect();
    let places = journal::append(&connection, &entries).await?;
    write(&connection, &changed, &places).await?;
    connection.commit().await?;
    let last = places.last().ok_or_else(|| StoreError::Corrupt("a write without a place".to_owned()))?;
    Ok(WriteResult::written(last.first, counts).with_history(last.history))
}

fn pending(ChangedKey { before, after }: &ChangedKey) -> [PendingChange; 1] {
    [ChangeSubject::Key(before.hash).with_effect(effect(before, after))]
}

fn event(ChangedKey { before, after }: &ChangedKey, audit: &AuditEntry) -> AuditEntry {
    let entry = AuditEntry { tenant: Some(before.tenant), target: before.id.to_string(), ..audit.clone() };
    entry.with_change_of_key(before, after)
}

/// Returns the keys, locked in the order of their identifiers, in which every batch locks them. Their scopes are read
/// afterwards. A key that is missing must have been deleted since it was selected.
async fn locked(connection: &PooledConnection, ids: &[KeyId]) -> Result<Vec<KeyRecord>, StoreError> {
    let those = || ids.iter().map(|id| id.0);
    let rows = key::Entity::find().filter(key::Column::Id.is_in(those()));
    let rows = rows.order_by_asc(key::Column::Id).lock_exclusive().all(connection).await?;
    if rows.len() < ids.len() {
        let found: HashSet<Uuid> = rows.iter().map(|row| row.id).collect();
        let missing: Vec<Uuid> = those().filter(|id| !found.contains(id)).collect();
        if query::deletion::count_keys(connection, &missing).await? < missing.len() {
            return Err(stored::lost("keys"));
        }
    }
    let mut scopes: HashMap<Uuid, Vec<String>> = HashMap::new();
    for grant in grant::Entity::find().filter(grant::Column::KeyId.is_in(those())).all(connection).await? {
        scopes.entry(grant.key_id).or_default().push(grant.scope);
    }
    rows.into_iter()
        .map(|row| {
            let scopes = scopes.remove(&row.id).unwrap_or_default();
            row::key::record(row, scopes)
        })
        .collect()
}

/// Writes the state of the keys, which is the same for all, and the revision of each.
async fn write(
    connection: &PooledConnection,
    changed: &[ChangedKey],
    places: &[journal::JournalPosition],
) -> Result<(), StoreError> {
    let Some(sample) = changed.first().map(|key| row::key::row(&key.after)) else { return Ok(()) };
    let mut revisions = CaseStatement::new();
    for (key, place) in changed.iter().zip(places) {
        let is_this = Expr::col(key::Column::Id).eq(key.before.id.0);
        revisions = revisions.case(is_this, Expr::value(number::to_i64(place.first)));
    }
    let ids = changed.iter().map(|key| key.before.id.0);
    let mut update = key::Entity::update_many()
        .col_expr(key::Column::State, value(sample.state))
        .col_expr(key::Column::RevokedAt, value(sample.revoked_at))
        .col_expr(key::Column::RevokeReason, value(sample.revoke_reason))
        .col_expr(key::Column::Revision, revisions.into());
    if changed.iter().all(|key| key.after.sealed.is_none()) {
        update = update.col_expr(key::Column::Sealed, Expr::value(None::<Vec<u8>>));
    }
    let updated = update.filter(key::Column::Id.is_in(ids)).exec(connection).await?;
    stored::all("keys", changed.len(), updated.rows_affected)
}

fn value<T: Into<sea_orm::Value>>(column: ActiveValue<T>) -> Expr {
    Expr::value(column.unwrap())
}
