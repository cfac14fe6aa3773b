//! Changing a profile's signing keys by a rule. The ledger is locked from the start: of two who would make a key
//! at once, the second sees the first one's.

use latchkey_core::ports::Changed;
use latchkey_core::time::Timestamp;
use latchkey_core::token::{KeyStage, SigningKeyRecord};
use latchkey_management::ports::tokens::SigningKeysRule;
use latchkey_management::ports::{AuditEntry, Written};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::entity::signing_key::{Column, Entity};
use crate::entry;
use crate::pool::Lease;
use crate::row;
use crate::stop::Stop;

/// Makes the keys what the rule says, and drops those that are spent.
pub(crate) async fn change(
    lease: Lease,
    profile: &str,
    (rule, now): (SigningKeysRule<'_>, Timestamp),
    audit: &AuditEntry,
) -> Result<Written<()>, Stop> {
    entry::lock(&lease).await?;
    let rows = Entity::find().filter(Column::Profile.eq(profile)).all(&lease).await?;
    let keys: Vec<SigningKeyRecord> =
        rows.into_iter().map(row::token::signing_key).collect::<Result<_, _>>()?;
    let changed = rule(&keys)?;
    if changed.is_empty() {
        return Ok(Written { value: (), revision: 0 });
    }
    let revision = entry::leave(&lease, &[Changed::SigningKeys(profile.into())], audit).await?;
    for key in &changed {
        let columns = [Column::SignsFrom, Column::SignsUntil, Column::LongestSeconds, Column::WithdrawnAt];
        let again = OnConflict::column(Column::Id).update_columns(columns).to_owned();
        let insert = Entity::insert(row::token::signing_key_row(key)).on_conflict(again);
        insert.exec_without_returning(&lease).await?;
    }
    for key in keys.iter().filter(|key| key.stage(now) == KeyStage::Spent) {
        Entity::delete_by_id(key.id.to_string()).exec(&lease).await?;
    }
    lease.commit().await?;
    Ok(Written { value: (), revision })
}
