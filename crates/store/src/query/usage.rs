//! Reads usage of keys: one key's calls by hour, and keys' last use and required scopes.

use std::collections::BTreeMap;

use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{CallCounts, Hour, HourRange, KeyUseTotals, StoredHours};
use latchkey_core::reason::StoredReason;
use latchkey_core::time::Timestamp;
use sea_orm::JoinType;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Cond, ExprTrait, Query, SelectStatement};

use super::feed::HEAD_ROW;
use crate::entity::{head, key_last_use, key_scope_use, key_usage, usage_recorder};
use crate::error::StoreError;
use crate::journal::ROWS;
use crate::pool::PooledConnection;
use crate::row::key::NEVER_USED;
use crate::row::{RowContext, number};
use crate::write::usage::ALLOWED;

const BATCH: &str = "batch";
const RECORDER: &str = "r";
const CALLS: &str = "u";

/// Returns a key's usage by hour and the recorder's last stored batch. One statement reads both, so that they
/// agree.
pub(crate) async fn hours(
    connection: &PooledConnection,
    recorder: &str,
    key: KeyId,
    span: HourRange,
) -> Result<StoredHours, StoreError> {
    let rows = connection.query_all(&statement(recorder, key, span)).await?;
    let context = RowContext::new("key_usage", &key);
    let mut stored = StoredHours::default();
    for row in rows {
        let batch: Option<i64> = row.try_get("", BATCH)?;
        stored.batch = number::to_u64(context, BATCH, batch.unwrap_or_default())?;
        let Some(hour) = row.try_get::<Option<i64>>("", "hour")? else { continue };
        let (reason, count): (String, i64) = (row.try_get("", "reason")?, row.try_get("", "calls")?);
        let count = number::to_u64(context, "calls", count)?;
        let calls = stored.hours.entry(Hour(hour)).or_default();
        add_outcome(calls, &reason, count, context)?;
    }
    Ok(stored)
}

/// Adds the calls of a row to the counts of its outcome.
pub(super) fn add_outcome(
    counts: &mut CallCounts,
    reason: &str,
    calls: u64,
    context: RowContext<'_>,
) -> Result<(), StoreError> {
    if reason == ALLOWED {
        counts.allowed += calls;
        return Ok(());
    }
    match reason.parse().map_err(|_| context.corrupt("reason"))? {
        StoredReason::Known(reason) => *counts.denied.entry(reason).or_default() += calls,
        StoredReason::Unknown(name) => *counts.unknown.entry(name).or_default() += calls,
    }
    Ok(())
}

fn statement(recorder: &str, key: KeyId, span: HourRange) -> SelectStatement {
    use key_usage::Column::{Calls, Hour, KeyId, Reason};
    let mut query = Query::select();
    query.from(head::Entity).and_where(head::Column::Id.eq(HEAD_ROW));
    query.expr_as(Expr::col((RECORDER, usage_recorder::Column::Batch)), BATCH);
    query.columns([(CALLS, Hour), (CALLS, Reason), (CALLS, Calls)]);
    let own = Expr::col((RECORDER, usage_recorder::Column::Id)).eq(recorder);
    query.join_as(JoinType::LeftJoin, usage_recorder::Entity, RECORDER, own);
    let hour = || Expr::col((CALLS, Hour));
    let within = Cond::all()
        .add(Expr::col((CALLS, KeyId)).eq(key.0))
        .add_option(span.from.map(|from| hour().gte(from.0)))
        .add_option(span.last.map(|last| hour().lte(last.0)));
    query.join_as(JoinType::LeftJoin, key_usage::Entity, CALLS, within);
    query
}

/// Returns last use and required scopes of these keys.
pub(crate) async fn uses(
    connection: &PooledConnection,
    keys: &[KeyId],
) -> Result<BTreeMap<KeyId, KeyUseTotals>, StoreError> {
    let mut uses: BTreeMap<KeyId, KeyUseTotals> = BTreeMap::new();
    for keys in keys.chunks(ROWS) {
        let ids = || keys.iter().map(|key| key.0);
        let last = key_last_use::Entity::find().filter(key_last_use::Column::KeyId.is_in(ids()));
        let used = |row: &key_last_use::Model| row.used_at != NEVER_USED;
        for row in last.all(connection).await?.into_iter().filter(used) {
            uses.entry(KeyId(row.key_id)).or_default().last = Some(Timestamp(row.used_at));
        }
        let scopes = key_scope_use::Entity::find().filter(key_scope_use::Column::KeyId.is_in(ids()));
        for row in scopes.all(connection).await? {
            uses.entry(KeyId(row.key_id)).or_default().scopes.insert(row.scope.into());
        }
    }
    Ok(uses)
}
