//! Changes a profile's signing keys by a rule. The head is locked from the start, so that of two processes that
//! would create a key at once, the second sees the first one's.

use latchkey_core::ports::ChangeSubject;
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
use crate::row;

/// Replaces the keys by the rule's result, and deletes those that are no longer needed.
pub(crate) async fn change(
    connection: PooledConnection,
    profile: &str,
    rule: SigningKeysUpdateFn<'_>,
    now: Timestamp,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    journal::lock_head(&connection).await?;
    let rows = Entity::find().filter(Column::Profile.eq(profile)).all(&connection).await?;
    let keys: Vec<SigningKeyRecord> =
        rows.into_iter().map(row::token::signing_key).collect::<Result<_, _>>()?;
    let changed = rule(&keys)?;
    if changed.is_empty() {
        return Ok(WriteResult { value: (), revision: 0 });
    }
    let revision =
        journal::append_changes(&connection, &[ChangeSubject::SigningKeys(profile.into())], audit).await?;
    for key in &changed {
        let columns = [Column::SignsFrom, Column::SignsUntil, Column::LongestSeconds, Column::WithdrawnAt];
        let again = OnConflict::column(Column::Id).update_columns(columns).to_owned();
        let insert = Entity::insert(row::token::signing_key_row(key)).on_conflict(again);
        insert.exec_without_returning(&connection).await?;
    }
    for key in keys.iter().filter(|key| key.stage(now) == KeyStage::Spent) {
        Entity::delete_by_id(key.id.to_string()).exec(&connection).await?;
    }
    connection.commit().await?;
    Ok(WriteResult { value: (), revision })
}
