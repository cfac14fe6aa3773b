//! Adds denials of shadow mode in the transaction of their usage batch, and deletes old ones. Rows are written
//! in the order of their primary key, like those of usage.

use std::collections::BTreeMap;

use latchkey_core::ports::shadow::{ShadowCount, ShadowEntryHour};
use latchkey_core::ports::usage::Hour;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict, SimpleExpr};
use sea_orm::{ConnectionTrait, IntoActiveModel, Statement, Value};

use crate::entity::shadow_denial;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::number;

/// Rows of ten columns that one statement takes.
const ROWS: usize = 100;

/// Adds the lines of a batch.
pub(crate) async fn add(
    connection: &PooledConnection,
    lines: &BTreeMap<ShadowEntryHour, ShadowCount>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = lines.iter().map(|(line, seen)| row(line, *seen).into_active_model()).collect();
    for rows in rows.chunks(ROWS) {
        let insert = shadow_denial::Entity::insert_many(rows.iter().cloned()).on_conflict(adding());
        insert.exec_without_returning(connection).await?;
    }
    Ok(())
}

fn row((line, hour): &ShadowEntryHour, seen: ShadowCount) -> shadow_denial::Model {
    shadow_denial::Model {
        profile: line.profile.to_string(),
        tenant_id: line.tenant,
        subject_id: line.subject,
        subject_type: line.subject_type.to_string(),
        route: line.route.to_string(),
        reason: line.reason.name().to_owned(),
        detail: line.detail.to_string(),
        hour: hour.0,
        calls: number::to_i64(seen.calls),
        last_at: seen.last.0,
    }
}

fn adding() -> OnConflict {
    use shadow_denial::Column::{
        Calls, Detail, Hour, LastAt, Profile, Reason, Route, SubjectId, SubjectType, TenantId,
    };
    let (known, new) = (|c| Expr::col((shadow_denial::Entity, c)), |c| Expr::col(("excluded", c)));
    let more: SimpleExpr = known(Calls).add(new(Calls));
    let later: SimpleExpr =
        Expr::case(known(LastAt).lt(new(LastAt)), new(LastAt)).finally(known(LastAt)).into();
    OnConflict::columns([Profile, TenantId, SubjectId, SubjectType, Route, Reason, Detail, Hour])
        .value(Calls, more)
        .value(LastAt, later)
        .to_owned()
}

/// Deletes some of the rows before an hour.
const DELETE_OLD: &str = "DELETE FROM shadow_denials WHERE \
    (profile, tenant_id, subject_id, subject_type, route, reason, detail, hour) IN \
    (SELECT profile, tenant_id, subject_id, subject_type, route, reason, detail, hour \
    FROM shadow_denials WHERE hour < $1 ORDER BY hour LIMIT 500)";

/// Deletes some of the older rows; returns how many.
pub(crate) async fn prune(connection: &PooledConnection, before: Hour) -> Result<u64, StoreError> {
    let values: [Value; 1] = [before.0.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), DELETE_OLD, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}
