//! Health of the database, for operators. No client call runs these queries.

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
