//! Heartbeat rows of replicas. Their times follow the database's clock, so that machines' clocks need not
//! agree. A row is valid as long as its replica may trust its cache.

use std::time::Duration;

use latchkey_core::ports::Replica;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Age in milliseconds (a day) after which the row of a replica that ended without deregistering is deleted.
const STALE_AFTER_MS: i64 = 86_400_000;

/// Inserts a replica's row, or renews it.
pub(crate) async fn heartbeat(
    connection: &PooledConnection,
    replica: &Replica,
    revision: u64,
    lease: Duration,
) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO replicas (id, name, revision, holds_until) VALUES ($1, $2, $3, {now} + $4) \
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, holds_until = excluded.holds_until",
        now = now(connection)
    );
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 4);
    let (id, name) = (replica.id.as_ref(), replica.name.as_ref());
    run(connection, sql, [id.into(), name.into(), number::to_i64(revision).into(), lease.into()]).await
}

/// Stores the revision that a replica has applied. PostgreSQL need not flush this write to disk: after a crash
/// the row would show too low a revision, and a writer would only wait longer than necessary.
pub(crate) async fn set_applied(
    connection: &PooledConnection,
    replica: &Replica,
    revision: u64,
) -> Result<(), StoreError> {
    let lazily = match connection.get_database_backend() {
        DbBackend::Postgres => " FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily",
        _ => "",
    };
    let sql = format!("UPDATE replicas SET revision = $1{lazily} WHERE id = $2");
    run(connection, sql, [number::to_i64(revision).into(), replica.id.as_ref().into()]).await
}

/// Deletes a replica's row, and rows of replicas that ended long ago without deregistering.
pub(crate) async fn deregister(connection: &PooledConnection, replica: &Replica) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM replicas WHERE id = $1 OR holds_until < {} - $2", now(connection));
    run(connection, sql, [replica.id.as_ref().into(), STALE_AFTER_MS.into()]).await
}

/// Counts the other replicas that hold a valid lease and have not applied the revision.
pub(crate) async fn count_lagging(
    connection: &PooledConnection,
    replica: &Replica,
    revision: u64,
) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT COUNT(*) AS behind FROM replicas WHERE holds_until > {} AND revision < $1 AND id <> $2",
        now(connection)
    );
    let values: [Value; 2] = [number::to_i64(revision).into(), replica.id.as_ref().into()];
    let counted = connection
        .query_one_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values))
        .await?;
    let context = || RowContext::new("replicas", &revision);
    let counted: i64 = counted.ok_or_else(|| context().corrupt("its count"))?.try_get("", "behind")?;
    number::to_u64(context(), "its count", counted)
}

async fn run<const N: usize>(
    connection: &PooledConnection,
    sql: String,
    values: [Value; N],
) -> Result<(), StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.execute_raw(statement).await.map(drop)?)
}

/// Returns the SQL expression for the database's clock in milliseconds at the time of the write, not at the
/// start of its transaction.
pub(crate) fn now(connection: &PooledConnection) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        _ => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    }
}
