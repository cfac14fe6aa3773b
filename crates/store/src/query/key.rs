//! Reads keys with their scopes: one by its identifier, or a list of keys in pages.

mod filter;

use std::collections::HashMap;

use latchkey_core::id::KeyId;
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::{ExistingHash, KeyFilter, KeyOrder, ListPart, ListRange};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{FromQueryResult, Iterable, JoinType, QuerySelect as _};

use self::filter::USE;
use super::walk::{PageReader, Walk};
use super::{column_alias, padded_in_values, prefix, select};
use crate::entity::{grant, key, key_last_use};
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

/// Most keys of a condition that an index serves, up to which a list is read by their identifiers.
const MOST_CANDIDATES: usize = 1_000;

/// Returns a part of a list of keys. A corrupt row is logged and left out, so that the others can still be listed and
/// revoked.
pub(crate) async fn page(
    connection: &PooledConnection,
    filter: &KeyFilter,
    range: &ListRange<KeyOrder>,
) -> Result<ListPart<KeyRecord>, StoreError> {
    let candidates = candidates(connection, filter).await?;
    let (mut condition, windowed) = (filter::condition(filter, range.order), candidates.is_none());
    let walk = walk(filter, range, !condition.is_empty() || !windowed);
    if let Some(ids) = candidates {
        if ids.is_empty() {
            return Ok(ListPart { items: Vec::new(), next: None });
        }
        let ids = Expr::col((KEY, key::Column::Id)).is_in(padded_in_values(&ids).copied());
        condition = condition.add(ids);
    }
    let start = (range.after.clone(), range.limit);
    let mut reading = PageReader::begin(connection, walk, condition, windowed, start).await?;
    while let Some(ids) = reading.more(connection).await? {
        let ids: Vec<KeyId> = ids.into_iter().map(KeyId).collect();
        let keys = by_ids(connection, &ids).await?.into_iter().filter(|key| filter::matches(filter, key));
        reading.take(keys.map(|key| (key.id.0, key)).collect());
    }
    Ok(reading.finish())
}

/// Returns the identifiers of a few keys that include all that match, if an index finds them.
async fn candidates(
    connection: &PooledConnection,
    filter: &KeyFilter,
) -> Result<Option<Vec<Uuid>>, StoreError> {
    for mut query in filter::selective(filter) {
        let rows = connection.query_all(query.limit(MOST_CANDIDATES as u64 + 1)).await?;
        if rows.len() <= MOST_CANDIDATES {
            let ids = rows.iter().map(|row| row.try_get("", "id"));
            return Ok(Some(ids.collect::<Result<_, _>>()?));
        }
    }
    Ok(None)
}

/// Returns the walk along the index of an order. The rows of keys take part if a condition on them follows.
fn walk(filter: &KeyFilter, range: &ListRange<KeyOrder>, with_keys: bool) -> Walk {
    let (mut base, descending) = (Query::select(), range.descending);
    let tenant = filter.tenant.map(|tenant| tenant.0);
    if range.order == KeyOrder::LastUsed {
        use key_last_use::Column::{KeyId, TenantId};
        base.from_as(key_last_use::Entity, USE).cond_where(filter::used_at(filter));
        base.and_where_option(tenant.map(|id| Expr::col((USE, TenantId)).eq(id)));
        if with_keys {
            // SQLite keeps the order of the tables of a cross join, so that it walks along the index of last uses.
            let of_use = Expr::col((KEY, key::Column::Id)).equals((USE, KeyId));
            base.join_as(JoinType::CrossJoin, key::Entity, KEY, Condition::all()).and_where(of_use);
        }
        return Walk { base, id: (USE, "key_id"), value: Some((filter::USED_AT, false)), descending };
    }
    base.from_as(key::Entity, KEY);
    base.and_where_option(tenant.map(|id| Expr::col((KEY, key::Column::TenantId)).eq(id)));
    let value = match range.order {
        KeyOrder::Name => Some(((KEY, "name_order"), true)),
        KeyOrder::Expires => Some((filter::EXPIRES_ORDER, false)),
        KeyOrder::Created | KeyOrder::LastUsed => None,
    };
    if range.order == KeyOrder::Expires {
        base.cond_where(filter::expires(filter));
    }
    Walk { base, id: (KEY, "id"), value, descending }
}

fn valid_or_logged((_, id, key): KeyRow<'_>) -> Option<KeyRecord> {
    key.inspect_err(
        |error| tracing::error!(target: "latchkey::internal", key = %KeyId(id), ?error, "a key's row is corrupt; the list omits the key"),
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
