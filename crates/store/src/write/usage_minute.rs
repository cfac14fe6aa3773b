//! Adds the calls of a minute, and deletes old minutes. Rows are written in the order of their keys, as those of hours are.

use latchkey_core::ports::usage::{CallCounts, Minute, UsageBatch};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict, SimpleExpr};
use sea_orm::{ConnectionTrait, IntoActiveModel, Statement, Value};

use super::usage::ALLOWED;
use crate::entity::key_usage_minute::{Column, Entity, Model};
use crate::error::StoreError;
use crate::journal::ROWS;
use crate::pool::PooledConnection;
use crate::row::number;

/// Adds the calls of a batch to its minute, if it has one.
pub(super) async fn add(connection: &PooledConnection, batch: &UsageBatch) -> Result<(), StoreError> {
    let Some(minute) = batch.minute else { return Ok(()) };
    let mut calls = Vec::new();
    for (key, seen) in &batch.uses {
        let mut counts = CallCounts::default();
        seen.hours.values().for_each(|hour| counts.add(hour));
        let row = |reason: &str, calls: u64| Model {
            key_id: key.0,
            minute: minute.0,
            reason: reason.to_owned(),
            calls: number::to_i64(calls),
        };
        calls.extend((counts.allowed > 0).then(|| row(ALLOWED, counts.allowed)));
        calls.extend(counts.denied.iter().map(|(reason, count)| row(reason.name(), *count)));
    }
    for rows in calls.chunks(ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        Entity::insert_many(rows).on_conflict(adding()).exec_without_returning(connection).await?;
    }
    Ok(())
}

fn adding() -> OnConflict {
    let more: SimpleExpr = Expr::col((Entity, Column::Calls)).add(Expr::col(("excluded", Column::Calls)));
    OnConflict::columns([Column::KeyId, Column::Minute, Column::Reason]).value(Column::Calls, more).to_owned()
}

/// Deletes some of the rows before a minute. sea-query has no DELETE with a limit.
const DELETE_OLD: &str = "DELETE FROM key_usage_minutes WHERE (key_id, minute, reason) IN \
    (SELECT key_id, minute, reason FROM key_usage_minutes WHERE minute < $1 ORDER BY minute LIMIT 2000)";

/// Deletes some of the older minutes.
pub(crate) async fn prune(connection: &PooledConnection, before: Minute) -> Result<u64, StoreError> {
    let values: [Value; 1] = [before.0.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), DELETE_OLD, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}
