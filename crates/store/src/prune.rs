//! The feed's end: rows that nobody needs any more. A replica that may decide by its memory finds every row after
//! the one that it has reported; beside those the newest are kept, so that one that was away for a while still
//! finds its place. One that was away for longer finds a gap, forgets what it remembers, and begins anew.

use sea_orm::{ConnectionTrait, Statement, Value};

use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::replicas;
use crate::row::number;

/// Rows taken away by one statement, so that none holds others up.
const PRUNE_BATCH: i64 = 5_000;

/// Takes away some of what is not among the newest `keep` rows; answers how many, fewer than [`PRUNE_BATCH`] at the end.
pub(crate) async fn prune_feed(connection: &PooledConnection, keep: u64) -> Result<u64, StoreError> {
    let sql = format!(
        "DELETE FROM changes WHERE revision <= (SELECT revision FROM head) - $1 \
         AND revision <= COALESCE((SELECT MIN(revision) FROM replicas WHERE holds_until > {now}), {all}) \
         AND revision < (SELECT MIN(revision) FROM changes) + $2",
        now = replicas::now(connection),
        all = i64::MAX,
    );
    let values: [Value; 2] = [number::to_i64(keep).into(), PRUNE_BATCH.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}
