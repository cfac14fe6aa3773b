//! The query that Check waits for: keys by their hashes, with their scopes, their tenants and the revision at
//! which all of it was read. It is one statement, so that the revision is never newer than the rows.

use std::collections::{HashMap, HashSet};

use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::{HashUse, HashUses, LookupResult};
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement};
use sea_orm::{DbBackend, FromQueryResult, Iterable, JoinType};

use super::head::{from_head, read_head};
use super::key::{KEY, join_scopes, read};
use super::{column_alias, padded_in_values, prefix, profile, select};
use crate::entity::{deletion, key, tenant};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row;

const TENANT: &str = "t";
const DELETION: &str = "d";

/// Returns the keys with these hashes. Each is found, absent or corrupt independently of the others.
pub(crate) async fn by_hash(
    connection: &PooledConnection,
    hashes: &[KeyHash],
) -> Result<Vec<Result<LookupResult, SystemError>>, StoreError> {
    let rows = connection.query_all(&statement(of_hashes(hashes))).await?;
    let read_at = read_head(rows.first())?;
    let mut keys = HashMap::with_capacity(hashes.len());
    for (row, _, key) in read(&rows)? {
        let hash: Vec<u8> = row.try_get("", &column_alias(KEY, "hash"))?;
        let known = key.and_then(|key| Ok((tenant(row, &key.id)?, key)));
        keys.insert(hash, known.map(|(tenant, key)| (key, tenant)).map_err(SystemError::from));
    }
    let found = |known: Option<_>| LookupResult { entry: known, read_at };
    Ok(hashes.iter().map(|hash| keys.get(&hash.0[..]).cloned().transpose().map(found)).collect())
}

/// Returns the keys with these identifiers that there are, each with its tenant and the newest version of the tenant's
/// profile. One statement reads all of it. A corrupt row is left out.
pub(crate) async fn with_profile_version(
    connection: &PooledConnection,
    ids: &[KeyId],
) -> Result<Vec<(KeyRecord, TenantRecord, Option<u64>)>, StoreError> {
    let of_ids = Expr::col((KEY, key::Column::Id)).is_in(padded_in_values(ids).map(|id| id.0));
    let mut query = statement(of_ids);
    profile::select_newest_of(&mut query, TENANT);
    let rows = connection.query_all(&query).await?;
    let mut keys = Vec::with_capacity(ids.len());
    for (row, _, key) in read(&rows)? {
        let newest = profile::newest_of(row)?;
        let known = key.and_then(|key| Ok((tenant(row, &key.id)?, key)));
        keys.extend(known.ok().map(|(tenant, key)| (key, tenant, newest)));
    }
    Ok(keys)
}

/// Returns whether keys have these hashes, or had them until they were deleted. It is one statement too, so that no key is
/// missed that is being deleted.
pub(crate) async fn uses_of_hashes(
    connection: &PooledConnection,
    hashes: &[KeyHash],
) -> Result<HashUses, StoreError> {
    let rows = connection.query_all(&statement_of_uses(hashes)).await?;
    let read_at = read_head(rows.first())?;
    let mut present: HashSet<Vec<u8>> = HashSet::new();
    let mut deleted: HashSet<Vec<u8>> = HashSet::new();
    for row in &rows {
        present.extend(row.try_get::<Option<Vec<u8>>>("", &column_alias(KEY, "hash"))?);
        deleted.extend(row.try_get::<Option<Vec<u8>>>("", &column_alias(DELETION, "hash"))?);
    }
    let use_of = |hash: &KeyHash| {
        if deleted.contains(&hash.0[..]) {
            HashUse::Deleted
        } else if present.contains(&hash.0[..]) {
            HashUse::Present
        } else {
            HashUse::Never
        }
    };
    Ok(HashUses { uses: hashes.iter().map(use_of).collect(), read_at })
}

fn statement_of_uses(hashes: &[KeyHash]) -> SelectStatement {
    let mut query = Query::select();
    from_head(&mut query);
    let wanted = || padded_in_values(hashes).map(|hash| hash.0.to_vec());
    let of_hash = Expr::col((KEY, key::Column::Hash)).is_in(wanted());
    query.join_as(JoinType::LeftJoin, key::Entity, KEY, of_hash);
    let of_deleted = Expr::col((DELETION, deletion::Column::Hash)).is_in(wanted());
    query.join_as(JoinType::LeftJoin, deletion::Entity, DELETION, of_deleted);
    query.expr_as(Expr::col((KEY, key::Column::Hash)), column_alias(KEY, "hash"));
    query.expr_as(Expr::col((DELETION, deletion::Column::Hash)), column_alias(DELETION, "hash"));
    query
}

/// Reads the key's tenant. A missing tenant means a corrupt row, since a foreign key demands one.
fn tenant(row: &QueryResult, key: &dyn std::fmt::Display) -> Result<TenantRecord, StoreError> {
    let model = tenant::Model::from_query_result(row, &prefix(TENANT));
    row::tenant::record(model.map_err(|error| StoreError::Corrupt(format!("the tenant of {key}: {error}")))?)
}

/// Returns the SQL text of the query for one key on PostgreSQL, so that a connection can prepare it in advance.
pub(crate) fn text_for_one() -> String {
    DbBackend::Postgres.build(&statement(of_hashes(&[KeyHash([0; 32])]))).sql
}

fn of_hashes(hashes: &[KeyHash]) -> Expr {
    let hashes = padded_in_values(hashes).map(|hash| hash.0.to_vec());
    Expr::col((KEY, key::Column::Hash)).is_in(hashes)
}

/// Returns the statement that reads the keys of a condition with their scopes and tenants.
fn statement(condition: Expr) -> SelectStatement {
    let mut query = Query::select();
    from_head(&mut query);
    query.join_as(JoinType::LeftJoin, key::Entity, KEY, condition);
    let of_key = Expr::col((TENANT, tenant::Column::Id)).equals((KEY, key::Column::TenantId));
    query.join_as(JoinType::LeftJoin, tenant::Entity, TENANT, of_key);
    select(&mut query, TENANT, tenant::Column::iter());
    join_scopes(&mut query);
    query
}
