//! Tenants: one by what a caller calls it, or all, page by page.

use latchkey_core::id::TenantId;
use latchkey_core::record::{TenantRecord, TenantRef};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use super::Page;
use crate::entity::tenant::{Column, Entity};
use crate::pool::Lease;
use crate::row;
use crate::stop::Stop;

/// The tenant of this name.
pub(crate) async fn named(lease: &Lease, name: &TenantRef) -> Result<Option<TenantRecord>, Stop> {
    let query = match name {
        TenantRef::Id(id) => Entity::find_by_id(id.0),
        TenantRef::Slug(slug) => Entity::find().filter(Column::Slug.eq(slug)),
    };
    query.one(lease).await?.map(row::tenant::record).transpose()
}

/// A page of tenants, newest first. A spoiled row is left out, and told of in the log.
pub(crate) async fn page(lease: &Lease, mut page: Page<TenantId>) -> Result<Vec<TenantRecord>, Stop> {
    let mut found = Vec::new();
    loop {
        let missing = page.missing(found.len());
        let older = page.before.map(|id| Column::Id.lt(id.0));
        let query = Entity::find().order_by_desc(Column::Id).limit(missing);
        let chunk = older.into_iter().fold(query, QueryFilter::filter).all(lease).await?;
        let last = (chunk.len() as u64) < missing;
        page.before = chunk.last().map(|row| TenantId(row.id));
        found.extend(chunk.into_iter().filter_map(sound));
        if last || page.missing(found.len()) == 0 {
            return Ok(found);
        }
    }
}

fn sound(row: crate::entity::tenant::Model) -> Option<TenantRecord> {
    let record = row::tenant::record(row);
    record.inspect_err(|stop| tracing::error!(?stop, "a spoiled tenant is left out of a list")).ok()
}
