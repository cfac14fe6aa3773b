//! Settings of a PostgreSQL server that no session can change, and that decide whether a committed write
//! survives a crash of the server or a failover.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::PooledConnection;
use crate::error::StoreError;

/// Durability of a PostgreSQL server's commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    /// True if commits are flushed to disk.
    pub fsync: bool,
    /// True if pages that were half written in a crash are repaired.
    pub full_page_writes: bool,
    /// Number of standbys that are known to follow while no commit waits for any of them.
    pub asynchronous_standbys: u64,
}

/// Reads the settings. The number of standbys is left at 0.
pub(crate) async fn settings(connection: &PooledConnection) -> Result<Durability, StoreError> {
    let sql = "SELECT COALESCE(current_setting('fsync', true), 'on') = 'on' AS fsync, \
               COALESCE(current_setting('full_page_writes', true), 'on') = 'on' AS full_page_writes";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the server's settings".to_owned()))?;
    let (fsync, full_page_writes) = (row.try_get("", "fsync")?, row.try_get("", "full_page_writes")?);
    Ok(Durability { fsync, full_page_writes, asynchronous_standbys: 0 })
}

/// Counts the standbys that follow while `synchronous_standby_names` is empty. To a role that may not see the
/// state of the server's other sessions, none is visible. Subscribers of logical replication and backups are no
/// standbys.
pub(crate) async fn asynchronous_standbys(connection: &PooledConnection) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) AS standbys FROM pg_stat_replication AS sender \
               WHERE current_setting('synchronous_standby_names') = '' \
               AND sender.state IN ('streaming', 'catchup') \
               AND NOT EXISTS (SELECT 1 FROM pg_replication_slots AS slot \
               WHERE slot.active_pid = sender.pid AND slot.slot_type = 'logical')";
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the number of standbys".to_owned()))?;
    let standbys: i64 = row.try_get("", "standbys")?;
    Ok(u64::try_from(standbys).unwrap_or_default())
}
