//! Rows of replicas. No clock of the database takes part: a reader measures by its own clock how long a row stands
//! still. Each row has a checksum, so that a row that was altered or that mixes two states is not taken for an
//! announcement. The table `fleet` counts registrations and removals, so that a deleted row is detected ([`counts`]).

mod checksum;
mod counts;

use std::time::Duration;

use latchkey_core::ports::{Announcement, Fleet, Replica, ReplicaRow};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use self::checksum::{checksum, millis};
use self::counts::Counts;
use crate::error::{StoreError, lacks_function};
use crate::pool::{Dialect, PooledConnection};
use crate::query;
use crate::row::{RowContext, number};
use crate::write::stored;

/// Inserts a replica's row, and counts it. Fails while a backup is being restored: the row would be one that the backup may
/// hold as well.
pub(crate) async fn register(
    connection: PooledConnection,
    replica: &Replica,
    announced: &Announcement,
) -> Result<(), StoreError> {
    // `holds_until` is read by earlier releases, which judge by the database's clock.
    let sql = format!(
        "INSERT INTO replicas (id, name, stable_name, host, departed, revision, history, holds_until, lease_ms, \
         beat, checksum) VALUES ($6, $7, $8, $9, $10, $1, $2, {now} + $3 + $3 / 2, $3, $4, $5)",
        now = now(&connection)
    );
    // An earlier attempt may have been committed although its answer was lost.
    let stale = run(&connection, "DELETE FROM replicas WHERE id = $1", [replica.id.as_ref().into()]).await?;
    query::restore::require_end(&connection).await?;
    let [revision, history, lease, beat, checksum] = columns(replica, announced);
    let values = [
        revision,
        history,
        lease.clone(),
        beat,
        checksum,
        replica.id.as_ref().into(),
        replica.name.as_ref().into(),
        replica.stable_name.as_deref().map(str::to_owned).into(),
        replica.host.as_deref().map(str::to_owned).into(),
        false.into(),
    ];
    stored::all("replicas", 1, run(&connection, &sql, values).await?)?;
    counts::register(&connection, lease, number::to_i64(stale)).await?;
    Ok(connection.commit().await?)
}

/// Renews a replica's row; a challenge counts as answered. Returns whether there is such a row.
pub(crate) async fn heartbeat(
    connection: &PooledConnection,
    replica: &Replica,
    announced: &Announcement,
) -> Result<bool, StoreError> {
    let sql = format!(
        "UPDATE replicas SET revision = $1, history = $2, holds_until = {now} + $3 + $3 / 2, lease_ms = $3, \
         beat = $4, checksum = $5, challenge = NULL WHERE id = $6",
        now = now(connection)
    );
    let [revision, history, lease, beat, checksum] = columns(replica, announced);
    let values = [revision, history, lease, beat, checksum, replica.id.as_ref().into()];
    Ok(run(connection, &sql, values).await? > 0)
}

/// Stores the revision that a replica has applied. PostgreSQL need not flush this write to disk: after a crash
/// the row would show too low a revision, and a writer would only wait longer than necessary.
pub(crate) async fn set_applied(
    connection: &PooledConnection,
    replica: &Replica,
    announced: &Announcement,
) -> Result<(), StoreError> {
    let lazily = match connection.dialect() {
        Some(dialect) if dialect.commits_lazily() => {
            " FROM (SELECT set_config('synchronous_commit', 'off', true)) AS lazily"
        }
        _ => "",
    };
    let sql = format!(
        "UPDATE replicas SET revision = $1, history = $2, checksum = $3{lazily} WHERE id = $4 AND beat = $5"
    );
    let [revision, history, _, beat, checksum] = columns(replica, announced);
    run(connection, &sql, [revision, history, checksum, replica.id.as_ref().into(), beat]).await.map(drop)
}

/// Marks a replica's row as departed.
pub(crate) async fn depart(
    connection: &PooledConnection,
    replica: &Replica,
    beat: u64,
) -> Result<(), StoreError> {
    let revision = i64::MAX.unsigned_abs();
    let announced = Announcement { revision, history: None, lease: Duration::ZERO, beat };
    let sql = "UPDATE replicas SET departed = $1, revision = $2, history = NULL, lease_ms = $3, beat = $4, \
               checksum = $5, holds_until = 0 WHERE id = $6";
    let [revision, _, lease, beat, _] = columns(replica, &announced);
    let checksum = checksum(replica, &announced, true).to_vec().into();
    run(connection, sql, [true.into(), revision, lease, beat, checksum, replica.id.as_ref().into()])
        .await
        .map(drop)
}

/// Reads all rows and the head, as of one moment. Leaves out the timeline if the server does not have, or does not
/// permit, the functions that name it.
pub(crate) async fn list(connection: &PooledConnection) -> Result<Fleet, StoreError> {
    if !connection.has_timeline() {
        return list_with(connection, "NULL").await;
    }
    match list_with(connection, "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").await {
        Err(StoreError::Database(error)) if lacks_function(&error) => {
            let fleet = list_with(connection, "NULL").await?;
            connection.leave_timeline_out();
            Ok(fleet)
        }
        listed => listed,
    }
}

/// Reads all rows and the head, with an SQL expression for the server's timeline.
async fn list_with(connection: &PooledConnection, timeline: &str) -> Result<Fleet, StoreError> {
    // SQLite is used by one process, which knows what it has written.
    let version = connection.dialect().map_or("NULL", Dialect::row_version);
    // One row for each replica, or one without a replica. Scalar subqueries keep the planner's estimate small.
    let sql = format!(
        "SELECT (SELECT revision FROM head WHERE id = 1) AS head, {timeline} AS timeline, {columns}, \
               r.id, r.name, r.stable_name, r.host, r.departed, r.revision, \
               r.history, r.lease_ms, r.beat, r.challenge, r.checksum, {version} AS version \
               FROM (SELECT 1 AS one) AS single LEFT JOIN replicas r ON 1 = 1",
        columns = counts::COLUMNS,
    );
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let found = connection.query_all_raw(statement).await?;
    let head = RowContext::new("head", &1);
    let first = found.first().ok_or_else(|| head.corrupt("being missing"))?;
    let revision: Option<i64> = first.try_get("", "head")?;
    let revision = revision.ok_or_else(|| head.corrupt("being missing"))?;
    let counts = Counts::read(first)?;
    let rows: Vec<ReplicaRow> =
        found.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>()?;
    Ok(Fleet {
        revision: number::to_u64(head, "revision", revision)?,
        counts: counts.map(|counts| counts.counts),
        longest_lease: counts.map(Counts::longest).unwrap_or_default(),
        timeline: first.try_get::<Option<String>>("", "timeline")?.map(Box::from),
        rows,
    })
}

/// Challenges a replica to prove that it is alive by a heartbeat.
pub(crate) async fn challenge(connection: &PooledConnection, id: &str) -> Result<(), StoreError> {
    run(connection, "UPDATE replicas SET challenge = 1 WHERE id = $1", [id.into()]).await.map(drop)
}

/// Deletes a row if its counter of heartbeats stands still, and counts it. Returns whether it was deleted.
pub(crate) async fn remove(connection: PooledConnection, id: &str, beat: u64) -> Result<bool, StoreError> {
    let values = [id.into(), number::to_i64(beat).into()];
    let removed = run(&connection, "DELETE FROM replicas WHERE id = $1 AND beat = $2", values).await? > 0;
    if removed {
        counts::remove(&connection).await?;
        connection.commit().await?;
    }
    Ok(removed)
}

/// Makes the present number of rows the expected one.
pub(crate) async fn accept_count(connection: PooledConnection) -> Result<(), StoreError> {
    counts::accept(connection).await
}

/// Returns the columns of an announcement: revision, history, lease, counter and checksum.
fn columns(replica: &Replica, announced: &Announcement) -> [Value; 5] {
    [
        number::to_i64(announced.revision).into(),
        announced.history.map(|hash| hash.to_vec()).into(),
        millis(announced.lease).into(),
        number::to_i64(announced.beat).into(),
        checksum(replica, announced, false).to_vec().into(),
    ]
}

/// Reads a row; `None` if there is no replica at all.
fn read(row: &QueryResult) -> Result<Option<ReplicaRow>, StoreError> {
    let text = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<String>>("", column)?.map(Box::from));
    let Some(id) = text("id")? else { return Ok(None) };
    let name = text("name")?.unwrap_or_default();
    let replica = Replica { id, name, stable_name: text("stable_name")?, host: text("host")? };
    let number = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<i64>>("", column)?);
    let bytes = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<Vec<u8>>>("", column)?);
    let (revision, beat, lease) = (number("revision")?, number("beat")?, number("lease_ms")?);
    let (history, stored) = (bytes("history")?, bytes("checksum")?);
    let departed = row.try_get::<Option<bool>>("", "departed")?.unwrap_or_default();
    let announced = || {
        let announced = Announcement {
            revision: u64::try_from(revision?).ok()?,
            history: history.as_deref().map(<[u8; 32]>::try_from).transpose().ok()?,
            lease: Duration::from_millis(u64::try_from(lease?).ok()?),
            beat: u64::try_from(beat?).ok()?,
        };
        (stored.as_deref()? == checksum(&replica, &announced, departed)).then_some(announced)
    };
    let announced = announced();
    Ok(Some(ReplicaRow {
        beat: beat.and_then(|beat| u64::try_from(beat).ok()).unwrap_or_default(),
        departed: departed && announced.is_some(),
        challenged: number("challenge")?.is_some(),
        version: text("version")?,
        announced,
        replica,
    }))
}

async fn run<const N: usize>(
    connection: &PooledConnection,
    sql: &str,
    values: [Value; N],
) -> Result<u64, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}

/// Returns the SQL expression for the database's clock in milliseconds at the time of the write, not at the
/// start of its transaction.
fn now(connection: &PooledConnection) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        _ => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    }
}
