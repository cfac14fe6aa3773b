//! Families, refresh tokens and signing keys, as they are asked for.

use std::collections::HashMap;

use latchkey_core::id::FamilyId;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::ports::{FoundFamily, KnownFamily};
use latchkey_core::secret::KeyHash;
use latchkey_core::token::refresh::RefreshRecord;
use latchkey_core::trouble::Trouble;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement};
use sea_orm::{FromQueryResult, Iterable, JoinType};

use super::{feed, in_sizes, named, prefix, select};
use crate::entity::{family, head, key, refresh, signing_key};
use crate::pool::Lease;
use crate::row::{self, Place, number};
use crate::stop::Stop;

const HEAD: &str = "h";
const FAMILY: &str = "f";
const KEY: &str = "k";
const SIGNER: &str = "s";

/// What Check asks about tokens: their families, the hash of the key behind each, whether the key that signed
/// them is in force, and the revision of all that. One statement. Each family is found or not, or spoiled by
/// itself.
pub(crate) async fn for_check(
    lease: &Lease,
    ids: &[FamilyId],
    signing_key: &str,
) -> Result<Vec<Result<FoundFamily, Trouble>>, Stop> {
    let rows = lease.query_all(&statement(ids, signing_key)).await?;
    let place = Place::new("head", &1);
    let first = rows.first().ok_or_else(|| place.spoiled("being missing"))?;
    let revision = number::read(place, "revision", first.try_get("", &named(HEAD, "revision"))?)?;
    let signing = first.try_get::<Option<String>>("", &named(SIGNER, "id"))?.is_some();
    let mut families = HashMap::with_capacity(ids.len());
    for row in &rows {
        let Some(id) = told_of(row)? else { continue };
        families.insert(id, read(row, id).map_err(Trouble::from));
    }
    let found = |known: Option<_>| FoundFamily { known, signing, revision };
    Ok(ids.iter().map(|id| families.get(id).cloned().transpose().map(found)).collect())
}

fn statement(ids: &[FamilyId], signing_key: &str) -> SelectStatement {
    let mut query = Query::select();
    query.from_as(head::Entity, HEAD);
    query.expr_as(Expr::col((HEAD, head::Column::Revision)), named(HEAD, "revision"));
    let of_id = Expr::col((FAMILY, family::Column::Id)).is_in(in_sizes(ids).map(|id| id.0));
    query.join_as(JoinType::LeftJoin, family::Entity, FAMILY, of_id);
    let of_family = Expr::col((KEY, key::Column::Id)).equals((FAMILY, family::Column::KeyId));
    query.join_as(JoinType::LeftJoin, key::Entity, KEY, of_family);
    let in_force = Expr::col((SIGNER, signing_key::Column::Id))
        .eq(signing_key)
        .and(Expr::col((SIGNER, signing_key::Column::WithdrawnAt)).is_null());
    query.join_as(JoinType::LeftJoin, signing_key::Entity, SIGNER, in_force);
    select(&mut query, FAMILY, family::Column::iter());
    query.expr_as(Expr::col((KEY, key::Column::Hash)), named(KEY, "hash"));
    query.expr_as(Expr::col((SIGNER, signing_key::Column::Id)), named(SIGNER, "id"));
    query
}

/// Which family a row tells of, if any.
fn told_of(row: &QueryResult) -> Result<Option<FamilyId>, Stop> {
    Ok(row.try_get::<Option<Uuid>>("", &named(FAMILY, "id"))?.map(FamilyId))
}

fn read(row: &QueryResult, id: FamilyId) -> Result<KnownFamily, Stop> {
    let model = family::Model::from_query_result(row, &prefix(FAMILY));
    let model = model.map_err(|error| Stop::Spoiled(format!("the row {id} of token_families: {error}")))?;
    known(&model, row.try_get("", &named(KEY, "hash"))?)
}

fn known(model: &family::Model, hash: Option<Vec<u8>>) -> Result<KnownFamily, Stop> {
    let record = row::token::family(model)?;
    let place = Place::new("token_families", &record.id);
    let hash = hash.map(|hash| hash.as_slice().try_into().map(KeyHash)).transpose();
    Ok(KnownFamily { key: hash.map_err(|_| place.spoiled("key_id"))?, record })
}

/// The family of this identifier.
pub(crate) async fn family(lease: &Lease, id: FamilyId) -> Result<Option<KnownFamily>, Stop> {
    let rows = lease.query_all(&statement(&[id], "")).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    told_of(row)?.map(|id| read(row, id)).transpose()
}

/// The refresh token of this hash, and its family.
pub(crate) async fn refresh(
    lease: &Lease,
    hash: &KeyHash,
) -> Result<Option<(RefreshRecord, KnownFamily)>, Stop> {
    let found = refresh::Entity::find_by_id(hash.0.to_vec()).one(lease).await?;
    let Some(token) = found.map(row::token::refresh).transpose()? else { return Ok(None) };
    let family = family(lease, token.family).await?;
    Ok(family.map(|family| (token, family)))
}

/// Every signing key. One that is spoiled is left out, and told of in the log: the others go on. The revision
/// is read first, so that it is never newer than the keys.
pub(crate) async fn signing_keys(lease: &Lease) -> Result<SigningKeys, Stop> {
    let revision = feed::revision(lease).await?;
    let rows = signing_key::Entity::find().all(lease).await?;
    let sound = |row| {
        let key = row::token::signing_key(row);
        key.inspect_err(|stop| tracing::error!(?stop, "a spoiled signing key is left out")).ok()
    };
    Ok(SigningKeys { keys: rows.into_iter().filter_map(sound).collect(), revision })
}
