//! Pruning of change-feed rows that no replica needs any more. A replica whose row is present finds every row from
//! its last reported revision on, which it compares with what it has applied; the newest rows are kept beyond that, so that a replica that was away for a while can
//! continue. A replica that was away for longer finds a gap, clears its cache and resyncs.

use sea_orm::{ConnectionTrait, Statement, Value};

use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::number;

/// Rows that one statement deletes, so that it does not hold up other statements.
const PRUNE_BATCH: i64 = 5_000;

/// Deletes some of the rows that are not among the newest `keep`. Returns how many: fewer than [`PRUNE_BATCH`]
/// when no more are left.
pub(crate) async fn prune_feed(connection: &PooledConnection, keep: u64) -> Result<u64, StoreError> {
    let sql = format!(
        "DELETE FROM changes WHERE revision <= (SELECT revision FROM head) - $1 \
         AND revision < COALESCE((SELECT MIN(revision) FROM replicas WHERE NOT departed), {all}) \
         AND revision < (SELECT MIN(revision) FROM changes) + $2",
        all = i64::MAX,
    );
    let values: [Value; 2] = [number::to_i64(keep.max(1)).into(), PRUNE_BATCH.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}
