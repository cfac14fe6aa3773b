//! Reads token families, refresh tokens and signing keys.

use std::collections::HashMap;

use latchkey_core::error::SystemError;
use latchkey_core::id::FamilyId;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::ports::{FamilyLookup, RefreshTokenLookup, TokenFamily};
use latchkey_core::secret::KeyHash;
use latchkey_core::token::refresh::RefreshRecord;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement};
use sea_orm::{FromQueryResult, Iterable, JoinType};

use super::head::{from_head, read_head};
use super::{column_alias, feed, padded_in_values, prefix, select};
use crate::entity::{family, key, refresh, signing_key};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{self, RowContext};

const FAMILY: &str = "f";
const KEY: &str = "k";
const SIGNER: &str = "s";
const TOKEN: &str = "r";

/// Returns what Check needs to accept tokens: their families, the hash of the key behind each, whether their
/// signing key is active, and the revision of all of it, read by one statement. Each family is found, absent or
/// corrupt independently of the others.
pub(crate) async fn for_check(
    connection: &PooledConnection,
    ids: &[FamilyId],
    signing_key: &str,
) -> Result<Vec<Result<FamilyLookup, SystemError>>, StoreError> {
    let rows = connection.query_all(&statement(ids, signing_key)).await?;
    let read_at = read_head(rows.first())?;
    let signer = rows.first().map(|row| row.try_get::<Option<String>>("", &column_alias(SIGNER, "id")));
    let signing = signer.transpose()?.flatten().is_some();
    let mut families = HashMap::with_capacity(ids.len());
    for row in &rows {
        let Some(id) = family_id_of(row)? else { continue };
        families.insert(id, read(row, id).map_err(SystemError::from));
    }
    let found = |known: Option<_>| FamilyLookup { entry: known, signing_key_in_force: signing, read_at };
    Ok(ids.iter().map(|id| families.get(id).cloned().transpose().map(found)).collect())
}

fn statement(ids: &[FamilyId], signing_key: &str) -> SelectStatement {
    let mut query = Query::select();
    from_head(&mut query);
    let of_id = Expr::col((FAMILY, family::Column::Id)).is_in(padded_in_values(ids).map(|id| id.0));
    query.join_as(JoinType::LeftJoin, family::Entity, FAMILY, of_id);
    join_key(&mut query);
    let in_force = Expr::col((SIGNER, signing_key::Column::Id))
        .eq(signing_key)
        .and(Expr::col((SIGNER, signing_key::Column::WithdrawnAt)).is_null());
    query.join_as(JoinType::LeftJoin, signing_key::Entity, SIGNER, in_force);
    query.expr_as(Expr::col((SIGNER, signing_key::Column::Id)), column_alias(SIGNER, "id"));
    query
}

/// Selects the columns of the family, and the hash of its key, if it has one.
fn join_key(query: &mut SelectStatement) {
    let of_family = Expr::col((KEY, key::Column::Id)).equals((FAMILY, family::Column::KeyId));
    query.join_as(JoinType::LeftJoin, key::Entity, KEY, of_family);
    select(query, FAMILY, family::Column::iter());
    query.expr_as(Expr::col((KEY, key::Column::Hash)), column_alias(KEY, "hash"));
}

/// Returns the family that a row belongs to, if any.
fn family_id_of(row: &QueryResult) -> Result<Option<FamilyId>, StoreError> {
    Ok(row.try_get::<Option<Uuid>>("", &column_alias(FAMILY, "id"))?.map(FamilyId))
}

fn read(row: &QueryResult, id: FamilyId) -> Result<TokenFamily, StoreError> {
    let model = family::Model::from_query_result(row, &prefix(FAMILY));
    let model =
        model.map_err(|error| StoreError::Corrupt(format!("the row {id} of token_families: {error}")))?;
    known(&model, row.try_get("", &column_alias(KEY, "hash"))?)
}

fn known(model: &family::Model, hash: Option<Vec<u8>>) -> Result<TokenFamily, StoreError> {
    let record = row::token::family(model)?;
    let context = RowContext::new("token_families", &record.id);
    let hash = hash.map(|hash| hash.as_slice().try_into().map(KeyHash)).transpose();
    Ok(TokenFamily { key: hash.map_err(|_| context.corrupt("key_id"))?, record })
}

/// Returns the family with this identifier.
pub(crate) async fn family(
    connection: &PooledConnection,
    id: FamilyId,
) -> Result<Option<TokenFamily>, StoreError> {
    let rows = connection.query_all(&statement(&[id], "")).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    family_id_of(row)?.map(|id| read(row, id)).transpose()
}

/// Returns the refresh tokens with these hashes, each with its family. Each is found, absent or corrupt independently of the
/// others.
pub(crate) async fn refresh_tokens(
    connection: &PooledConnection,
    hashes: &[KeyHash],
) -> Result<Vec<Result<RefreshTokenLookup, SystemError>>, StoreError> {
    let mut query = Query::select();
    query.from_as(refresh::Entity, TOKEN);
    let of_token = Expr::col((FAMILY, family::Column::Id)).equals((TOKEN, refresh::Column::FamilyId));
    query.join_as(JoinType::InnerJoin, family::Entity, FAMILY, of_token);
    join_key(&mut query);
    select(&mut query, TOKEN, refresh::Column::iter());
    let wanted = padded_in_values(hashes).map(|hash| hash.0.to_vec());
    query.and_where(Expr::col((TOKEN, refresh::Column::Hash)).is_in(wanted));
    let mut found = HashMap::with_capacity(hashes.len());
    for row in connection.query_all(&query).await? {
        let hash: Vec<u8> = row.try_get("", &column_alias(TOKEN, "hash"))?;
        found.insert(hash, read_refresh_token(&row).map_err(SystemError::from));
    }
    Ok(hashes.iter().map(|hash| found.get(hash.0.as_slice()).cloned().transpose()).collect())
}

fn read_refresh_token(row: &QueryResult) -> Result<(RefreshRecord, TokenFamily), StoreError> {
    let token = row::token::refresh(refresh::Model::from_query_result(row, &prefix(TOKEN))?)?;
    let family = read(row, token.family)?;
    Ok((token, family))
}

/// Returns every signing key. A corrupt one is logged and left out; the others stay usable. The revision is
/// read first, so that it is never newer than the keys.
pub(crate) async fn signing_keys(connection: &PooledConnection) -> Result<SigningKeys, StoreError> {
    let revision = feed::revision(connection).await?;
    let rows = signing_key::Entity::find().all(connection).await?;
    let valid_or_logged = |row| {
        let key = row::token::signing_key(row);
        key.inspect_err(|error| tracing::error!(target: "latchkey::internal", ?error, "a signing key's row is corrupt; it is ignored")).ok()
    };
    Ok(SigningKeys { keys: rows.into_iter().filter_map(valid_or_logged).collect(), revision })
}
