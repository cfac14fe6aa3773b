//! How the database is, for whoever looks after it; no call of a client asks this.

use latchkey_core::id::KeyId;
use latchkey_core::seal::Sealed;
use latchkey_core::time::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::{DbBackend, QuerySelect, Statement};

use crate::entity::key;
use crate::pool::Lease;
use crate::stop::Stop;

/// The database's clock, and whether it takes writes.
pub(crate) async fn clock(lease: &Lease) -> Result<(Timestamp, bool), Stop> {
    let backend = lease.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now, 0 AS closed",
        _ => {
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now, \
             CASE WHEN pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' \
             THEN 1 ELSE 0 END AS closed"
        }
    };
    let row = lease.query_one_raw(Statement::from_string(backend, sql)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the database's clock".to_owned()))?;
    let closed: i32 = row.try_get("", "closed")?;
    Ok((Timestamp(row.try_get("", "now")?), closed != 0))
}

/// Any value that the master key must open.
pub(crate) async fn sealed(lease: &Lease) -> Result<Option<(KeyId, Sealed)>, Stop> {
    let query = key::Entity::find()
        .select_only()
        .columns([key::Column::Id, key::Column::Sealed])
        .filter(key::Column::Sealed.is_not_null())
        .limit(1);
    let found: Option<(Uuid, Vec<u8>)> = query.into_tuple().one(lease).await?;
    Ok(found.map(|(id, sealed)| (KeyId(id), Sealed(sealed))))
}
