//! Inserts rows whose name may already exist. A conflict is ignored instead of being an error, so that the
//! transaction stays usable and can read the existing row. The statement waits for a concurrent transaction
//! that is about to insert the same name.

use std::collections::{BTreeSet, HashSet};

use latchkey_core::error::RequestError;
use latchkey_core::id::KeyId;
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::NewKey;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict, Query, UpdateStatement};
use sea_orm::{IntoActiveModel, SqlErr};

use crate::entity::{grant, key, key_last_use, tenant};
use crate::error::StoreError;
use crate::journal::ROWS;
use crate::pool::PooledConnection;
use crate::query;
use crate::row::{self, number};
use crate::write::stored;

/// Inserts the keys whose hash and idempotency key are free, each with its index in `keys` for a revision.
/// Returns which were inserted.
pub(crate) async fn keys(
    connection: &PooledConnection,
    keys: &[&NewKey],
) -> Result<HashSet<KeyId>, StoreError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let mut made = HashSet::new();
    let numbered: Vec<(u64, &NewKey)> = (0..).zip(keys.iter().copied()).collect();
    for chunk in numbered.chunks(ROWS) {
        let rows = chunk.iter().map(|(index, key)| new_row(*index, key));
        let insert = key::Entity::insert_many(rows).on_conflict(nothing());
        let ids = insert.exec_with_returning_keys(connection).await.map_err(no_tenant)?;
        made.extend(ids.into_iter().map(KeyId));
    }
    refuse_deleted(connection, keys).await?;
    let new = || keys.iter().map(|key| &key.record).filter(|key| made.contains(&key.id));
    grants(connection, new()).await?;
    last_uses(connection, new()).await?;
    Ok(made)
}

/// Refuses imported keys whose values belonged to keys that were deleted. It runs after the insertion, which waits for
/// a deletion of the same value that is under way.
async fn refuse_deleted(connection: &PooledConnection, keys: &[&NewKey]) -> Result<(), StoreError> {
    let imported: Vec<KeyHash> = keys.iter().filter(|key| key.imported).map(|key| key.record.hash).collect();
    let deleted = query::deletion::deleted_hashes(connection, &imported).await?;
    let is_deleted = |key: &&NewKey| key.imported && deleted.iter().any(|hash| *hash == key.record.hash.0);
    match keys.iter().position(is_deleted) {
        None => Ok(()),
        Some(index) => {
            let text =
                format!("keys[{index}] is the value of a key that was deleted, and can't be used again");
            Err(RequestError::AlreadyExists(text).into())
        }
    }
}

/// Inserts rows of last uses for keys that were never used, by which lists find them.
async fn last_uses(
    connection: &PooledConnection,
    keys: impl Iterator<Item = &KeyRecord>,
) -> Result<(), StoreError> {
    let unused = |key: &KeyRecord| key_last_use::Model {
        key_id: key.id.0,
        tenant_id: Some(key.tenant.0),
        used_at: row::key::NEVER_USED,
    };
    let rows: Vec<_> = keys.map(unused).collect();
    for rows in rows.chunks(ROWS) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        let insert = key_last_use::Entity::insert_many(rows).on_conflict(nothing());
        insert.exec_without_returning(connection).await?;
    }
    Ok(())
}

/// Returns the statements that assign the revisions from `first` on to keys that were just inserted, in their order.
pub(crate) fn numbering(ids: &[KeyId], first: u64) -> Vec<UpdateStatement> {
    let revision = Expr::col(key::Column::Revision).add(number::to_i64(first));
    let update = |ids: &[KeyId]| {
        let those = key::Column::Id.is_in(ids.iter().map(|id| id.0));
        let mut update = Query::update();
        update.table(key::Entity).value(key::Column::Revision, revision.clone()).and_where(those).take()
    };
    ids.chunks(ROWS).map(update).collect()
}

/// Assigns a revision to a key that was just inserted alone.
pub(super) async fn number_key(
    connection: &PooledConnection,
    id: KeyId,
    revision: u64,
) -> Result<(), StoreError> {
    for update in numbering(&[id], revision) {
        stored::all("keys", 1, connection.execute(&update).await?.rows_affected())?;
    }
    Ok(())
}

/// Inserts keys' scopes.
pub(super) async fn grants<'a>(
    connection: &PooledConnection,
    keys: impl Iterator<Item = &'a KeyRecord>,
) -> Result<(), StoreError> {
    // A list of scopes may have one several times.
    let of_key = |key: &'a KeyRecord| {
        let id = key.id.0;
        key.scopes.iter().map(move |scope| (id, &**scope))
    };
    let scopes: BTreeSet<(Uuid, &str)> = keys.flat_map(of_key).collect();
    let grant = |(key_id, scope): &(Uuid, &str)| grant::Model { key_id: *key_id, scope: (*scope).to_owned() };
    let rows: Vec<_> = scopes.iter().map(grant).collect();
    for rows in rows.chunks(ROWS) {
        let count = rows.len();
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        let insert = grant::Entity::insert_many(rows).on_conflict(nothing());
        stored::all("grants", count, insert.exec_without_returning(connection).await?)?;
    }
    Ok(())
}

/// Inserts a tenant; returns whether its name was free.
pub(super) async fn tenant(connection: &PooledConnection, record: &TenantRecord) -> Result<bool, StoreError> {
    let insert = tenant::Entity::insert(row::tenant::row(record)).on_conflict(nothing());
    Ok(insert.exec_without_returning(connection).await? == 1)
}

fn new_row(index: u64, key: &NewKey) -> key::ActiveModel {
    let (idempotency_key, idempotency_hash) = match &key.idempotency {
        Some((key, hash)) => (Some(key.clone()), Some(hash.to_vec())),
        None => (None, None),
    };
    key::ActiveModel {
        idempotency_key: Set(idempotency_key),
        idempotency_hash: Set(idempotency_hash),
        revision: Set(number::to_i64(index)),
        ..row::key::row(&key.record)
    }
}

fn nothing() -> OnConflict {
    OnConflict::new().do_nothing().to_owned()
}

/// Returns the error of a row whose tenant is missing, since it was deleted meanwhile.
pub(super) fn no_tenant(error: DbErr) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => RequestError::no_such("tenant").into(),
        _ => error.into(),
    }
}
