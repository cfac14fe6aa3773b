//! Reads tenants: one by its reference, or all in pages.

use latchkey_core::id::TenantId;
use latchkey_core::record::{TenantRecord, TenantRef};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use super::Page;
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

/// Beginning of the slug of a tenant that was deleted and whose keys and users are being erased. No slug has a colon.
const ENDED: &str = "deleted:";

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

/// Returns a page of tenants, newest first. A corrupt row is logged and left out.
pub(crate) async fn page(
    connection: &PooledConnection,
    mut page: Page<TenantId>,
) -> Result<Vec<TenantRecord>, StoreError> {
    let mut found = Vec::new();
    loop {
        let missing = page.missing(found.len());
        let older = page.before.map(|id| Column::Id.lt(id.0));
        let query = Entity::find().order_by_desc(Column::Id).limit(missing);
        let chunk = older.into_iter().fold(query, QueryFilter::filter).all(connection).await?;
        let last = (chunk.len() as u64) < missing;
        page.before = chunk.last().map(|row| TenantId(row.id));
        let present = chunk.into_iter().filter(|row| !is_ended(&row.slug));
        found.extend(present.filter_map(valid_or_logged));
        if last || page.missing(found.len()) == 0 {
            return Ok(found);
        }
    }
}

fn valid_or_logged(row: crate::entity::tenant::Model) -> Option<TenantRecord> {
    let record = row::tenant::record(row);
    record
        .inspect_err(|error| tracing::error!(?error, "a tenant's row is corrupt; the list omits the tenant"))
        .ok()
}
