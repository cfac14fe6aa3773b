//! Adds usage and deletes old rows. Rows are written in the order of their keys, so that concurrent replicas
//! cannot deadlock. No row of the keys' table is locked, so that management calls do not wait for usage.

use std::collections::HashSet;

use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{CallCounts, Hour, KeyUseTotals, UsageBatch};
use latchkey_core::time::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, IntoActiveModel, QuerySelect, Statement, Value};

use crate::entity::{key, key_last_use, key_scope_use, key_usage, usage_recorder};
use crate::error::StoreError;
use crate::journal::ROWS;
use crate::pool::PooledConnection;
use crate::row::number;

/// Stored outcome of allowed calls.
pub(crate) const ALLOWED: &str = "OK";

/// Adds a batch, unless it is already stored.
pub(crate) async fn add(
    connection: PooledConnection,
    recorder: &str,
    batch: &UsageBatch,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !is_next(&connection, recorder, batch.number, at).await? {
        return Ok(());
    }
    let calls: Vec<_> = batch.uses.iter().flat_map(|(key, seen)| calls(*key, seen)).collect();
    for rows in calls.chunks(ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        let insert = key_usage::Entity::insert_many(rows).on_conflict(adding());
        insert.exec_without_returning(&connection).await?;
    }
    super::usage_minute::add(&connection, batch).await?;
    let used = |(key, seen): (&KeyId, &KeyUseTotals)| {
        let row = key_last_use::Model { key_id: key.0, tenant_id: None, used_at: seen.last?.0 };
        Some(row.into_active_model())
    };
    let last: Vec<_> = batch.uses.iter().filter_map(used).collect();
    for rows in last.chunks(ROWS) {
        let insert = key_last_use::Entity::insert_many(rows.iter().cloned()).on_conflict(latest());
        insert.exec_without_returning(&connection).await?;
    }
    name_tenants(&connection, batch).await?;
    let keys = existing(&connection, batch).await?;
    forget_deleted(&connection, batch, &keys).await?;
    let there = batch.uses.iter().filter(|(key, _)| keys.contains(&key.0));
    let scopes = there.flat_map(|(key, seen)| seen.scopes.iter().map(|scope| (key.0, scope)));
    let scopes = scopes.map(|(key_id, scope)| key_scope_use::Model { key_id, scope: scope.to_string() });
    let scopes: Vec<_> = scopes.map(IntoActiveModel::into_active_model).collect();
    for rows in scopes.chunks(ROWS) {
        let insert = key_scope_use::Entity::insert_many(rows.iter().cloned());
        let once = OnConflict::new().do_nothing().to_owned();
        insert.on_conflict(once).exec_without_returning(&connection).await?;
    }
    super::shadow::add(&connection, &batch.shadows).await?;
    Ok(connection.commit().await?)
}

/// Returns whether this batch must be added, and stores its number in the same transaction.
async fn is_next(
    connection: &PooledConnection,
    recorder: &str,
    batch: u64,
    at: Timestamp,
) -> Result<bool, StoreError> {
    use usage_recorder::Column::{AddedAt, Batch as Number, Id};
    let batch = number::to_i64(batch);
    let row = usage_recorder::Model { id: recorder.to_owned(), batch, added_at: at.0 };
    let later = Expr::col((usage_recorder::Entity, Number)).lt(batch);
    let once = OnConflict::column(Id).update_columns([Number, AddedAt]).action_and_where(later).to_owned();
    let insert = usage_recorder::Entity::insert(row.into_active_model()).on_conflict(once);
    Ok(insert.exec_without_returning(connection).await? == 1)
}

fn calls(key: KeyId, seen: &KeyUseTotals) -> Vec<key_usage::Model> {
    let row = |hour: Hour, reason: &str, calls: u64| key_usage::Model {
        key_id: key.0,
        hour: hour.0,
        reason: reason.to_owned(),
        calls: number::to_i64(calls),
    };
    let of_hour = |(hour, calls): (&Hour, &CallCounts)| {
        let allowed = (calls.allowed > 0).then(|| row(*hour, ALLOWED, calls.allowed));
        let denied = calls.denied.iter().map(|(reason, count)| row(*hour, reason.name(), *count));
        allowed.into_iter().chain(denied).collect::<Vec<_>>()
    };
    seen.hours.iter().flat_map(of_hour).collect()
}

fn adding() -> OnConflict {
    use key_usage::Column::{Calls, Hour, KeyId, Reason};
    let more: SimpleExpr = Expr::col((key_usage::Entity, Calls)).add(Expr::col(("excluded", Calls)));
    OnConflict::columns([KeyId, Hour, Reason]).value(Calls, more).to_owned()
}

/// Adds the tenants to rows of keys that an earlier version of the program has created.
async fn name_tenants(connection: &PooledConnection, batch: &UsageBatch) -> Result<(), StoreError> {
    use key_last_use::Column::{KeyId as Id, TenantId};
    let mut tenant = Query::select();
    tenant.column(key::Column::TenantId).from(key::Entity);
    tenant.and_where(Expr::col((key::Entity, key::Column::Id)).equals((key_last_use::Entity, Id)));
    let tenant = Expr::SubQuery(None, Box::new(tenant.into()));
    let used: Vec<Uuid> =
        batch.uses.iter().filter(|(_, seen)| seen.last.is_some()).map(|(k, _)| k.0).collect();
    for ids in used.chunks(ROWS) {
        let update = key_last_use::Entity::update_many().col_expr(TenantId, tenant.clone());
        update.filter(Id.is_in(ids.iter().copied())).filter(TenantId.is_null()).exec(connection).await?;
    }
    Ok(())
}

/// Returns those keys of a batch that exist. It is called after the last uses are written: a deletion that runs at the same
/// time has then either ended, and its keys are missing here, or it waits for these rows and deletes them.
async fn existing(connection: &PooledConnection, batch: &UsageBatch) -> Result<HashSet<Uuid>, StoreError> {
    let ids: Vec<Uuid> = batch.uses.keys().map(|key| key.0).collect();
    let mut found = HashSet::with_capacity(ids.len());
    for ids in ids.chunks(ROWS) {
        let those = key::Column::Id.is_in(ids.iter().copied());
        let query = key::Entity::find().select_only().column(key::Column::Id).filter(those);
        let rows: Vec<Uuid> = query.into_tuple().all(connection).await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Deletes the last uses of keys that do not exist any more: no deletion would find these rows again.
async fn forget_deleted(
    connection: &PooledConnection,
    batch: &UsageBatch,
    existing: &HashSet<Uuid>,
) -> Result<(), StoreError> {
    let deleted: Vec<Uuid> =
        batch.uses.keys().map(|key| key.0).filter(|key| !existing.contains(key)).collect();
    for ids in deleted.chunks(ROWS) {
        let those = key_last_use::Column::KeyId.is_in(ids.iter().copied());
        key_last_use::Entity::delete_many().filter(those).exec(connection).await?;
    }
    Ok(())
}

fn latest() -> OnConflict {
    use key_last_use::Column::{KeyId, UsedAt};
    let later = Expr::col((key_last_use::Entity, UsedAt)).lt(Expr::col(("excluded", UsedAt)));
    OnConflict::column(KeyId).update_column(UsedAt).action_and_where(later).to_owned()
}

/// Deletes some of the rows before an hour. sea-query has no DELETE with a limit, and few databases support
/// one.
const DELETE_OLD: &str = "DELETE FROM key_usage WHERE (key_id, hour, reason) IN \
    (SELECT key_id, hour, reason FROM key_usage WHERE hour < $1 ORDER BY hour LIMIT 500)";

/// Deletes some of the older rows, and recorders that have been silent.
pub(crate) async fn prune(
    connection: PooledConnection,
    before: Hour,
    silent: Timestamp,
) -> Result<u64, StoreError> {
    let gone = usage_recorder::Entity::delete_many().filter(usage_recorder::Column::AddedAt.lt(silent.0));
    gone.exec(&connection).await?;
    let values: [Value; 1] = [before.0.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), DELETE_OLD, values);
    let gone = connection.execute_raw(statement).await?.rows_affected()
        + super::shadow::prune(&connection, before).await?;
    connection.commit().await?;
    Ok(gone)
}
