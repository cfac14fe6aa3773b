//! The question that Check waits for: a key by its hash, with its scopes, its tenant and the revision that
//! all of it was read at. One statement, so that the revision is never newer than what it speaks of.

use latchkey_core::ports::Found;
use latchkey_core::secret::KeyHash;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement};
use sea_orm::{FromQueryResult, Iterable, JoinType};

use super::key::{KEY, join_scopes, read};
use super::{named, prefix, select};
use crate::entity::{head, key, tenant};
use crate::pool::Lease;
use crate::row::{self, Place, number};
use crate::stop::Stop;

const HEAD: &str = "h";
const TENANT: &str = "t";

/// The key with this hash.
pub(crate) async fn by_hash(lease: &Lease, hash: &KeyHash) -> Result<Found, Stop> {
    let rows = lease.query_all(&statement(hash)).await?;
    let head = Place::new("head", &1);
    let first = rows.first().ok_or_else(|| head.spoiled("being missing"))?;
    let revision: i64 = first.try_get("", &named(HEAD, "revision"))?;
    let revision = number::read(head, "revision", revision)?;
    let Some((_, key)) = read(&rows)?.pop() else { return Ok(Found { known: None, revision }) };
    let key = key?;
    // A tenant that isn't there is a spoiled row as well: a foreign key says that it is.
    let tenant = tenant::Model::from_query_result(first, &prefix(TENANT));
    let tenant = tenant.map_err(|error| Stop::Spoiled(format!("the tenant of {}: {error}", key.id)))?;
    Ok(Found { known: Some((key, row::tenant::record(tenant)?)), revision })
}

fn statement(hash: &KeyHash) -> SelectStatement {
    let mut query = Query::select();
    query.from_as(head::Entity, HEAD);
    query.expr_as(Expr::col((HEAD, head::Column::Revision)), named(HEAD, "revision"));
    let of_hash = Expr::col((KEY, key::Column::Hash)).eq(hash.0.to_vec());
    query.join_as(JoinType::LeftJoin, key::Entity, KEY, of_hash);
    let of_key = Expr::col((TENANT, tenant::Column::Id)).equals((KEY, key::Column::TenantId));
    query.join_as(JoinType::LeftJoin, tenant::Entity, TENANT, of_key);
    select(&mut query, TENANT, tenant::Column::iter());
    join_scopes(&mut query);
    query
}
