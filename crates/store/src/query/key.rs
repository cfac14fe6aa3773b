//! Reads keys with their scopes: one by its identifier, or a tenant's keys in pages.

mod filter;

use std::collections::HashMap;

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::{ExistingHash, KeyFilter};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Order, Query, SelectStatement};
use sea_orm::{FromQueryResult, Iterable, QuerySelect as _};

use super::{Page, column_alias, padded_in_values, prefix, select};
use crate::entity::{grant, key};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row;

/// Alias of the keys' table in joins; the next one is that of grants.
pub(super) const KEY: &str = "k";
const GRANT: &str = "g";

/// A key's first row, its identifier, and the key or the error of its row.
type KeyRow<'a> = (&'a QueryResult, Uuid, Result<KeyRecord, StoreError>);

/// Returns the key with this identifier.
pub(crate) async fn by_id(connection: &PooledConnection, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
    let mut keys = rows();
    keys.and_where(key::Column::Id.eq(id.0));
    let rows = connection.query_all(&with_scopes(keys)).await?;
    read(&rows)?.pop().map(|(_, _, key)| key).transpose()
}

/// Returns the keys with these identifiers that there are. A corrupt row is logged and left out.
pub(crate) async fn by_ids(
    connection: &PooledConnection,
    ids: &[KeyId],
) -> Result<Vec<KeyRecord>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = rows();
    keys.and_where(key::Column::Id.is_in(padded_in_values(ids).map(|id| id.0)));
    let rows = connection.query_all(&with_scopes(keys)).await?;
    Ok(read(&rows)?.into_iter().filter_map(valid_or_logged).collect())
}

/// Returns those of the hashes by which keys exist, or existed until they were deleted.
pub(crate) async fn existing_hashes(
    connection: &PooledConnection,
    hashes: &[KeyHash],
) -> Result<HashMap<KeyHash, ExistingHash>, StoreError> {
    if hashes.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = padded_in_values(hashes).map(|hash| hash.0.to_vec());
    let query = key::Entity::find().select_only().column(key::Column::Hash);
    let present: Vec<Vec<u8>> =
        query.filter(key::Column::Hash.is_in(wanted)).into_tuple().all(connection).await?;
    let deleted = super::deletion::deleted_hashes(connection, hashes).await?;
    let deleted = deleted.into_iter().map(|hash| (hash, ExistingHash::Deleted));
    let all = deleted.chain(present.into_iter().map(|hash| (hash, ExistingHash::Present)));
    Ok(all.filter_map(|(hash, owner)| Some((KeyHash(hash.as_slice().try_into().ok()?), owner))).collect())
}

/// Returns a page of a tenant's keys, newest first. A corrupt row is logged and left out, so that the others
/// can still be listed and revoked.
pub(crate) async fn page(
    connection: &PooledConnection,
    tenant: TenantId,
    filter: &KeyFilter,
    mut page: Page<KeyId>,
) -> Result<Vec<KeyRecord>, StoreError> {
    let mut found = Vec::new();
    loop {
        let missing = page.missing(found.len());
        let mut keys = rows();
        keys.and_where(key::Column::TenantId.eq(tenant.0)).cond_where(filter::condition(filter));
        keys.and_where_option(page.before.map(|id| key::Column::Id.lt(id.0)));
        keys.order_by(key::Column::Id, Order::Desc).limit(missing);
        let rows = connection.query_all(&with_scopes(keys)).await?;
        let chunk = read(&rows)?;
        let last = (chunk.len() as u64) < missing;
        page.before = chunk.last().map(|(_, id, _)| KeyId(*id));
        found
            .extend(chunk.into_iter().filter_map(valid_or_logged).filter(|key| filter::matches(filter, key)));
        if last || page.missing(found.len()) == 0 {
            return Ok(found);
        }
    }
}

fn valid_or_logged((_, id, key): KeyRow<'_>) -> Option<KeyRecord> {
    key.inspect_err(
        |error| tracing::error!(key = %KeyId(id), ?error, "a key's row is corrupt; the list omits the key"),
    )
    .ok()
}

/// Selects all rows of keys, without a filter.
fn rows() -> SelectStatement {
    Query::select().columns(key::Column::iter()).from(key::Entity).take()
}

/// Joins the scopes of the keys that a statement selects: one row for each scope, and one for a key without
/// any.
fn with_scopes(keys: SelectStatement) -> SelectStatement {
    let mut query = Query::select();
    query.from_subquery(keys, KEY);
    join_scopes(&mut query);
    query.order_by((KEY, key::Column::Id), Order::Desc).take()
}

/// Adds a key's columns and its scopes to a statement that contains the keys' table.
pub(super) fn join_scopes(query: &mut SelectStatement) {
    select(query, KEY, key::Column::iter());
    query.expr_as(Expr::col((GRANT, grant::Column::Scope)), column_alias(GRANT, "scope"));
    let of_key = Expr::col((GRANT, grant::Column::KeyId)).equals((KEY, key::Column::Id));
    query.join_as(sea_orm::JoinType::LeftJoin, grant::Entity, GRANT, of_key);
}

/// Groups the rows of [`join_scopes`] by key, in the order of the keys' first rows.
pub(super) fn read(rows: &[QueryResult]) -> Result<Vec<KeyRow<'_>>, StoreError> {
    let (id, scope) = (column_alias(KEY, "id"), column_alias(GRANT, "scope"));
    let mut keys: Vec<(&QueryResult, Uuid, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for row in rows {
        let Some(id) = row.try_get::<Option<Uuid>>("", &id)? else { continue };
        let place = *places.entry(id).or_insert_with(|| {
            keys.push((row, id, Vec::new()));
            keys.len() - 1
        });
        keys[place].2.extend(row.try_get::<Option<String>>("", &scope)?);
    }
    Ok(keys.into_iter().map(|(row, id, scopes)| (row, id, record(id, row, scopes))).collect())
}

fn record(id: Uuid, row: &QueryResult, scopes: Vec<String>) -> Result<KeyRecord, StoreError> {
    let model = key::Model::from_query_result(row, &prefix(KEY));
    let model =
        model.map_err(|error| StoreError::Corrupt(format!("the row {} of keys: {error}", KeyId(id))))?;
    row::key::record(model, scopes)
}
