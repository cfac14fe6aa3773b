//! Replicas as the store knows them. One row each, by the database's own clock, so that nobody's clocks need
//! agree: a row holds as long as its replica may decide by what it remembers.

use std::time::Duration;

use latchkey_core::ports::Replica;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::pool::Lease;
use crate::row::{Place, number};
use crate::stop::Stop;

/// A replica that ended without leaving is forgotten after a day.
const FORGOTTEN: i64 = 86_400_000;

/// Enters a replica, or renews its row.
pub(crate) async fn report(
    lease: &Lease,
    replica: &Replica,
    revision: u64,
    holds: Duration,
) -> Result<(), Stop> {
    let sql = format!(
        "INSERT INTO replicas (id, name, revision, holds_until) VALUES ($1, $2, $3, {now} + $4) \
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, holds_until = excluded.holds_until",
        now = now(lease)
    );
    let holds = i64::try_from(holds.as_millis()).unwrap_or(i64::MAX / 4);
    let (id, name) = (replica.id.as_ref(), replica.name.as_ref());
    run(lease, sql, [id.into(), name.into(), number::stored(revision).into(), holds.into()]).await
}

/// Notes how far a replica has come. PostgreSQL needn't flush it to disk before it says so: after a crash the
/// row would be behind the truth, and a writer wait for longer than it must.
pub(crate) async fn advance(lease: &Lease, replica: &Replica, revision: u64) -> Result<(), Stop> {
    let lazily = match lease.get_database_backend() {
        DbBackend::Postgres => " FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily",
        _ => "",
    };
    let sql = format!("UPDATE replicas SET revision = $1{lazily} WHERE id = $2");
    run(lease, sql, [number::stored(revision).into(), replica.id.as_ref().into()]).await
}

/// Takes a replica's row away, and those of replicas that ended long ago without doing so.
pub(crate) async fn leave(lease: &Lease, replica: &Replica) -> Result<(), Stop> {
    let sql = format!("DELETE FROM replicas WHERE id = $1 OR holds_until < {} - $2", now(lease));
    run(lease, sql, [replica.id.as_ref().into(), FORGOTTEN.into()]).await
}

/// How many others hold and are behind.
pub(crate) async fn behind(lease: &Lease, replica: &Replica, revision: u64) -> Result<u64, Stop> {
    let sql = format!(
        "SELECT COUNT(*) AS behind FROM replicas WHERE holds_until > {} AND revision < $1 AND id <> $2",
        now(lease)
    );
    let values: [Value; 2] = [number::stored(revision).into(), replica.id.as_ref().into()];
    let counted = lease
        .query_one_raw(Statement::from_sql_and_values(lease.get_database_backend(), sql, values))
        .await?;
    let place = || Place::new("replicas", &revision);
    let counted: i64 = counted.ok_or_else(|| place().spoiled("its count"))?.try_get("", "behind")?;
    number::read(place(), "its count", counted)
}

async fn run<const N: usize>(lease: &Lease, sql: String, values: [Value; N]) -> Result<(), Stop> {
    let statement = Statement::from_sql_and_values(lease.get_database_backend(), sql, values);
    Ok(lease.execute_raw(statement).await.map(drop)?)
}

/// The database's clock in milliseconds, as it is when the row is written and not when its transaction began.
pub(crate) fn now(lease: &Lease) -> &'static str {
    match lease.get_database_backend() {
        DbBackend::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        _ => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    }
}
