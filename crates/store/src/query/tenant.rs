//! Reads tenants: one by its reference, some by their identifiers, or all in pages.

use latchkey_core::id::TenantId;
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_management::ports::listing::contains;
use latchkey_management::ports::{ListPart, ListRange, TenantFilter, TenantOrder};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait, Query};
use sea_orm::{QueryOrder, QuerySelect};

use super::padded_in_values;
use super::walk::{self, PageReader, Walk};
use crate::entity::tenant::{Column, Entity};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row;

/// Returns the tenant that a reference names.
pub(crate) async fn by_ref(
    connection: &PooledConnection,
    name: &TenantRef,
) -> Result<Option<TenantRecord>, StoreError> {
    let query = match name {
        TenantRef::Id(id) => Entity::find_by_id(id.0),
        TenantRef::Slug(slug) => Entity::find().filter(Column::Slug.eq(slug)),
    };
    let row = query.one(connection).await?.filter(|row| !is_ended(&row.slug));
    row.map(row::tenant::record).transpose()
}

/// Returns the tenants with these identifiers that exist. A corrupt row is logged and left out.
pub(crate) async fn by_ids(
    connection: &PooledConnection,
    ids: &[TenantId],
) -> Result<Vec<TenantRecord>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let those = Column::Id.is_in(padded_in_values(ids).map(|id| id.0));
    let rows = Entity::find().filter(those).all(connection).await?;
    Ok(rows.into_iter().filter(|row| !is_ended(&row.slug)).filter_map(valid_or_logged).collect())
}

/// Beginning of the slug of a tenant that was deleted and whose keys and users are being erased. No slug has a colon.
const ENDED: &str = "deleted:";

/// Condition of SQL on tenants under the alias `t`: that they were not deleted.
pub(super) const NOT_ENDED: &str = "t.slug NOT LIKE 'deleted:%'";

/// Returns the slug of a tenant that was deleted, until its row is removed.
pub(crate) fn slug_of_ended(id: TenantId) -> String {
    format!("{ENDED}{id}")
}

/// Returns whether a row with this slug is that of a deleted tenant, which exists for no call any more.
pub(crate) fn is_ended(slug: &str) -> bool {
    slug.starts_with(ENDED)
}

/// Returns tenants of a profile.
pub(crate) async fn of_profile(
    connection: &PooledConnection,
    profile: &str,
    limit: u32,
) -> Result<Vec<TenantRecord>, StoreError> {
    let query = Entity::find()
        .filter(Column::Profile.eq(profile))
        .filter(Column::Slug.not_like(format!("{ENDED}%")))
        .order_by_asc(Column::Id)
        .limit(u64::from(limit));
    query.all(connection).await?.into_iter().map(row::tenant::record).collect()
}

/// Returns tenants of a profile that were deleted and whose keys and users are not all erased yet.
pub(crate) async fn ended_of_profile(
    connection: &PooledConnection,
    profile: &str,
    limit: u32,
) -> Result<Vec<TenantId>, StoreError> {
    let query = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Profile.eq(profile))
        .filter(Column::Slug.like(format!("{ENDED}%")))
        .order_by_asc(Column::Id)
        .limit(u64::from(limit));
    let ids: Vec<Uuid> = query.into_tuple().all(connection).await?;
    Ok(ids.into_iter().map(TenantId).collect())
}

/// Alias of the table.
const TENANT: &str = "t";

/// Returns a part of a list of tenants. A corrupt row is logged and left out.
pub(crate) async fn page(
    connection: &PooledConnection,
    filter: &TenantFilter,
    range: &ListRange<TenantOrder>,
) -> Result<ListPart<TenantRecord>, StoreError> {
    let mut base = Query::select();
    base.from_as(Entity, TENANT);
    base.and_where_option(filter.except.map(|slug| col(Column::Slug).ne(slug)));
    let value = match range.order {
        TenantOrder::Created => None,
        TenantOrder::Slug => Some(((TENANT, "slug"), true)),
        TenantOrder::Name => Some(((TENANT, "name_order"), true)),
    };
    let walk = Walk { base, id: (TENANT, "id"), value, descending: range.descending };
    let start = (range.after.clone(), range.limit);
    let mut reading = PageReader::begin(connection, walk, condition(filter), true, start).await?;
    let matches = |tenant: &TenantRecord| {
        let part = filter.name.as_deref();
        part.is_none_or(|part| contains(&tenant.slug, part) || contains(&tenant.display_name, part))
    };
    while let Some(ids) = reading.more(connection).await? {
        let rows = if ids.is_empty() {
            Vec::new()
        } else {
            Entity::find().filter(Column::Id.is_in(padded_in_values(&ids).copied())).all(connection).await?
        };
        let present = rows.into_iter().filter(|row| !is_ended(&row.slug));
        let tenants = present.filter_map(valid_or_logged).filter(matches);
        reading.take(tenants.map(|tenant| (tenant.id.0, tenant)).collect());
    }
    Ok(reading.finish())
}

fn col(column: Column) -> Expr {
    Expr::col((TENANT, column))
}

/// Returns the part of the filter that the database applies.
fn condition(filter: &TenantFilter) -> Condition {
    let named = |part| {
        let names = [col(Column::Slug), Expr::col((TENANT, "name_order"))];
        names.map(|name| walk::contains(name, part)).into_iter().fold(Condition::any(), Condition::add)
    };
    let condition = Condition::all()
        .add_option(filter.name.as_deref().map(named))
        .add_option(filter.suspended.map(|suspended| col(Column::Suspended).eq(suspended)))
        .add_option(filter.profile.as_deref().map(|profile| col(Column::Profile).eq(profile)))
        .add_option(filter.plan.as_deref().map(|plan| col(Column::Plan).eq(plan)));
    if filter.created.is_unlimited() {
        return condition;
    }
    condition.add(walk::within(&col(Column::CreatedAt), filter.created))
}

fn valid_or_logged(row: crate::entity::tenant::Model) -> Option<TenantRecord> {
    let record = row::tenant::record(row);
    record
        .inspect_err(|error| tracing::error!(target: "latchkey::internal", ?error, "a tenant's row is corrupt; the list omits the tenant"))
        .ok()
}
