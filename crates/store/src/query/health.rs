//! Health of the database, for operators. No client call runs these queries.

use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use sea_orm::Statement;
use sea_orm::entity::prelude::*;

use crate::error::StoreError;
use crate::pool::PooledConnection;

/// Returns the database's clock, and whether it is read-only.
pub(crate) async fn clock(connection: &PooledConnection) -> Result<(Timestamp, bool), StoreError> {
    let backend = connection.get_database_backend();
    let sql = match connection.dialect() {
        None => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now, 0 AS closed".to_owned(),
        Some(dialect) => format!(
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now, \
             CASE WHEN {standby} OR current_setting('default_transaction_read_only') = 'on' \
             THEN 1 ELSE 0 END AS closed",
            standby = dialect.standby()
        ),
    };
    let row = connection.query_one_raw(Statement::from_string(backend, sql)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?;
    let closed: i32 = row.try_get("", "closed")?;
    Ok((Timestamp(row.try_get("", "now")?), closed != 0))
}

/// Returns the hash of one of the keys, if there is one. The other column makes SQLite read the row and not only an index.
pub(crate) async fn hash_of_a_key(connection: &PooledConnection) -> Result<Option<KeyHash>, StoreError> {
    let sql = "SELECT hash, name FROM keys LIMIT 1";
    let row =
        connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let Some(row) = row else { return Ok(None) };
    let hash: Vec<u8> = row.try_get("", "hash")?;
    Ok(hash.try_into().ok().map(KeyHash))
}

/// Returns the first damage that SQLite finds in the pages of its file, if there is any.
pub(crate) async fn quick_check(connection: &PooledConnection) -> Result<Option<String>, StoreError> {
    // The function pragma_quick_check would take the number for the name of a table.
    let sql = "PRAGMA quick_check(1)";
    let row =
        connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let Some(row) = row else { return Ok(None) };
    let found: String = row.try_get("", "quick_check")?;
    // The first line names the database among those that are attached.
    let lines: Vec<&str> = found.lines().filter(|line| !line.starts_with("***")).collect();
    Ok((found != "ok").then(|| lines.join("; ")))
}
