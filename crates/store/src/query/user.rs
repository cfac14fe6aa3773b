//! Users: one by identifier, for management or with everything that Check needs, or a tenant's, page by page.

use latchkey_core::id::{TenantId, UserId};
use latchkey_core::ports::Found;
use latchkey_core::user::UserRecord;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{FromQueryResult, Iterable, JoinType, QueryOrder, QuerySelect};

use super::{Page, named, prefix, select};
use crate::entity::user::{Column, Entity, Model};
use crate::entity::{head, tenant};
use crate::pool::Lease;
use crate::row::{self, Place, number};
use crate::stop::Stop;

const HEAD: &str = "h";
const TENANT: &str = "t";
const USER: &str = "u";

/// The user of this identifier, with the tenant and the revision that both were read at: one statement.
pub(crate) async fn with_tenant(lease: &Lease, id: UserId) -> Result<Found<UserRecord>, Stop> {
    let mut query = Query::select();
    query.from_as(head::Entity, HEAD);
    query.expr_as(Expr::col((HEAD, head::Column::Revision)), named(HEAD, "revision"));
    query.join_as(JoinType::LeftJoin, Entity, USER, Expr::col((USER, Column::Id)).eq(id.0));
    let of_user = Expr::col((TENANT, tenant::Column::Id)).equals((USER, Column::TenantId));
    query.join_as(JoinType::LeftJoin, tenant::Entity, TENANT, of_user);
    select(&mut query, USER, Column::iter());
    select(&mut query, TENANT, tenant::Column::iter());
    let row = lease.query_one(&query).await?;
    let place = Place::new("head", &1);
    let row = row.ok_or_else(|| place.spoiled("being missing"))?;
    let revision = number::read(place, "revision", row.try_get("", &named(HEAD, "revision"))?)?;
    if row.try_get::<Option<Uuid>>("", &named(USER, "id"))?.is_none() {
        return Ok(Found { known: None, revision });
    }
    let spoiled = |error: DbErr| Stop::Spoiled(format!("the row {id} of users: {error}"));
    let user = Model::from_query_result(&row, &prefix(USER)).map_err(spoiled)?;
    let tenant = tenant::Model::from_query_result(&row, &prefix(TENANT)).map_err(spoiled)?;
    Ok(Found { known: Some((row::user::record(user)?, row::tenant::record(tenant)?)), revision })
}

/// The user of this identifier.
pub(crate) async fn by_id(lease: &Lease, id: UserId) -> Result<Option<UserRecord>, Stop> {
    Entity::find_by_id(id.0).one(lease).await?.map(row::user::record).transpose()
}

/// A page of a tenant's users, newest first.
pub(crate) async fn page(
    lease: &Lease,
    tenant: TenantId,
    page: Page<UserId>,
) -> Result<Vec<UserRecord>, Stop> {
    let of_tenant = Entity::find().filter(Column::TenantId.eq(tenant.0)).order_by_desc(Column::Id);
    let older = page.before.map(|id| Column::Id.lt(id.0));
    let query = older.into_iter().fold(of_tenant, QueryFilter::filter).limit(page.missing(0));
    query.all(lease).await?.into_iter().map(row::user::record).collect()
}
