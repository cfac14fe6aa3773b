//! Changes a profile's signing keys by a rule. The head is locked from the start, so that of two processes that
//! would create a key at once, the second sees the first one's.

use latchkey_core::error::RequestError;
use latchkey_core::ports::{ChangeEffect, ChangeSubject, PendingChange};
use latchkey_core::time::Timestamp;
use latchkey_core::token::{KeyStage, SigningKeyRecord};
use latchkey_management::ports::tokens::SigningKeysUpdateFn;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::entity::signing_key::{Column, Entity};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::write::stored;
use crate::{query, row};

/// Replaces the keys by the rule's result, and deletes those that are no longer needed.
pub(crate) async fn change(
    connection: PooledConnection,
    profile: &str,
    rule: SigningKeysUpdateFn<'_>,
    now: Timestamp,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    journal::lock_head(&connection).await?;
    let newest = query::profile::last_row(&connection, profile).await?;
    if newest.is_some_and(|newest| query::profile::is_deleted(&newest)) {
        return Err(RequestError::no_such("profile").into());
    }
    let rows = Entity::find().filter(Column::Profile.eq(profile)).all(&connection).await?;
    let keys: Vec<SigningKeyRecord> =
        rows.into_iter().map(row::token::signing_key).collect::<Result<_, _>>()?;
    let changed = rule(&keys)?;
    if changed.is_empty() {
        return journal::unchanged_at_head(&connection, ()).await;
    }
    let pending = pending(profile, &keys, &changed);
    let appended = journal::append_changes(&connection, &pending, audit).await?;
    let last = appended.first + (pending.len() as u64) - 1;
    for key in &changed {
        let columns = [Column::SignsFrom, Column::SignsUntil, Column::LongestSeconds, Column::WithdrawnAt];
        let again = OnConflict::column(Column::Id).update_columns(columns).to_owned();
        let insert = Entity::insert(row::token::signing_key_row(key)).on_conflict(again);
        stored::all("signing_keys", 1, insert.exec_without_returning(&connection).await?)?;
    }
    for key in keys.iter().filter(|key| key.stage(now) == KeyStage::Spent) {
        Entity::delete_by_id(key.id.to_string()).exec(&connection).await?;
    }
    connection.commit().await?;
    Ok(WriteResult::written(last, ()).with_history(appended.history))
}

/// Returns one change for each key that is withdrawn; otherwise one that takes nothing away.
fn pending(profile: &str, before: &[SigningKeyRecord], after: &[SigningKeyRecord]) -> Vec<PendingChange> {
    let subject = || ChangeSubject::SigningKeys(profile.into());
    let in_force = |id: &str| before.iter().any(|key| *key.id == *id && key.withdrawn.is_none());
    let withdrawn = after.iter().filter(|key| key.withdrawn.is_some() && in_force(&key.id));
    let effects = withdrawn.map(|key| ChangeEffect::Withdrawn(key.id.to_string().into()));
    let changes: Vec<_> = effects.map(|effect| subject().with_effect(Some(effect))).collect();
    if changes.is_empty() { vec![subject().into()] } else { changes }
}
