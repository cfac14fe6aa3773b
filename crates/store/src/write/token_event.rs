//! Deletes the content of old audit events of tokens. A digest of each stays, by which the hash chain is verified.

use latchkey_core::time::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{IntoActiveModel, QueryOrder, QuerySelect};

use crate::entity::audit_event::{Column, Entity};
use crate::error::StoreError;
use crate::journal::{ROWS, chain};
use crate::pool::PooledConnection;
use crate::row::number;

/// Result of one step through the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrunedEvents {
    /// Number of events that lost their content.
    pub pruned: u64,
    /// Sequence number of the last event that is old enough.
    pub until: u64,
    /// True if the events that follow are not old enough, or if there are none.
    pub is_last: bool,
}

/// Prunes events of a batch after a sequence number that are older than a time. An event that does not continue the chain
/// keeps its content, so that a verification finds it as it is. An event that is not old enough is passed over if an older
/// one follows it in the batch: it was written by a clock that was ahead.
pub(crate) async fn prune(
    connection: PooledConnection,
    after: u64,
    before: Timestamp,
) -> Result<PrunedEvents, StoreError> {
    let query = Entity::find().filter(Column::Sequence.gte(number::to_i64(after)));
    let rows = query.order_by_asc(Column::Sequence).limit(ROWS as u64 + 1).all(&connection).await?;
    let mut previous = (after == 0).then(|| vec![0; 32]);
    let mut step = PrunedEvents { pruned: 0, until: after, is_last: rows.len() <= ROWS };
    let mut pruned = Vec::new();
    for row in rows {
        let sequence = u64::try_from(row.sequence).unwrap_or_default();
        if sequence > after && row.time < before.0 {
            pruned.extend(previous.as_ref().and_then(|previous| chain::pruned(previous, &row)));
            step.until = sequence;
        }
        previous = Some(row.hash);
    }
    step.is_last |= step.until == after;
    step.pruned = u64::try_from(pruned.len()).unwrap_or_default();
    if !pruned.is_empty() {
        let columns = [Column::TenantId, Column::Actor, Column::Target, Column::RequestId, Column::Details];
        let replace = OnConflict::column(Column::Sequence).update_columns(columns).to_owned();
        let rows = pruned.into_iter().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).on_conflict(replace).exec_without_returning(&connection).await?;
    }
    connection.commit().await?;
    Ok(step)
}
