//! Use of keys: one key's calls by hour, and when and for what some keys were last used.

use std::collections::BTreeMap;

use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{Hour, HourSpan, KeyUse, StoredHours};
use latchkey_core::time::Timestamp;
use sea_orm::JoinType;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Cond, ExprTrait, Query, SelectStatement};

use crate::entity::{head, key_last_use, key_scope_use, key_usage, usage_recorder};
use crate::entry::ROWS;
use crate::pool::Lease;
use crate::row::{Place, number};
use crate::stop::Stop;
use crate::write::usage::ALLOWED;

const BATCH: &str = "batch";
const RECORDER: &str = "r";
const CALLS: &str = "u";

/// A key's hours, and the recorder's last batch that is in them: one statement, so that they agree.
pub(crate) async fn hours(
    lease: &Lease,
    recorder: &str,
    key: KeyId,
    span: HourSpan,
) -> Result<StoredHours, Stop> {
    let rows = lease.query_all(&statement(recorder, key, span)).await?;
    let place = Place::new("key_usage", &key);
    let mut stored = StoredHours::default();
    for row in rows {
        let batch: Option<i64> = row.try_get("", BATCH)?;
        stored.batch = number::read(place, BATCH, batch.unwrap_or_default())?;
        let Some(hour) = row.try_get::<Option<i64>>("", "hour")? else { continue };
        let (reason, count): (String, i64) = (row.try_get("", "reason")?, row.try_get("", "calls")?);
        let count = number::read(place, "calls", count)?;
        let calls = stored.hours.entry(Hour(hour)).or_default();
        match reason.as_str() {
            ALLOWED => calls.allowed = count,
            reason => drop(calls.denied.insert(reason.parse().map_err(|_| place.spoiled("reason"))?, count)),
        }
    }
    Ok(stored)
}

fn statement(recorder: &str, key: KeyId, span: HourSpan) -> SelectStatement {
    use key_usage::Column::{Calls, Hour, KeyId, Reason};
    let mut query = Query::select();
    query.from(head::Entity);
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

/// Last use and needed scopes of these keys.
pub(crate) async fn uses(lease: &Lease, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUse>, Stop> {
    let mut uses: BTreeMap<KeyId, KeyUse> = BTreeMap::new();
    for keys in keys.chunks(ROWS) {
        let ids = || keys.iter().map(|key| key.0);
        let last = key_last_use::Entity::find().filter(key_last_use::Column::KeyId.is_in(ids()));
        for row in last.all(lease).await? {
            uses.entry(KeyId(row.key_id)).or_default().last = Some(Timestamp(row.used_at));
        }
        let scopes = key_scope_use::Entity::find().filter(key_scope_use::Column::KeyId.is_in(ids()));
        for row in scopes.all(lease).await? {
            uses.entry(KeyId(row.key_id)).or_default().scopes.insert(row.scope.into());
        }
    }
    Ok(uses)
}
