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
    query.one(connection).await?.map(row::tenant::record).transpose()
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
        found.extend(chunk.into_iter().filter_map(valid_or_logged));
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
