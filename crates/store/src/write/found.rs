//! The beginning: the operators' tenant and its first key, made once, by however many processes that start
//! on an empty database at the same time.

use latchkey_core::id::TenantId;
use latchkey_core::ports::Changed;
use latchkey_core::record::{KeyRecord, TenantRecord, TenantRef};
use latchkey_management::ports::{AuditEntry, NewKey, Written};
use sea_orm::entity::prelude::*;
use sea_orm::{QuerySelect, QueryTrait};

use super::create::taken;
use super::{insert, tenant};
use crate::entity::key::{Column, Entity};
use crate::entry;
use crate::pool::Lease;
use crate::query;
use crate::stop::Stop;

/// Makes what is missing; answers whether the key was. The ledger is locked from the start, so that of many
/// one finds nothing and the others find what that one made.
pub(crate) async fn found(
    lease: Lease,
    (mut tenant, mut first): (TenantRecord, KeyRecord),
    insist: bool,
    audit: &AuditEntry,
) -> Result<Written<bool>, Stop> {
    entry::lock(&lease).await?;
    let known = query::tenant::named(&lease, &TenantRef::Slug(tenant.slug.to_string())).await?;
    let mut changes = Vec::new();
    if let Some(known) = &known {
        first.tenant = known.id;
    } else {
        insert::tenant(&lease, &tenant).await?;
        first.tenant = tenant.id;
        changes.push(Changed::Tenant(tenant.id));
    }
    let wanted = is_wanted(&lease, first.tenant, insist.then_some(&first)).await?;
    let id = first.id;
    if wanted {
        changes.push(Changed::Key(first.hash));
        if insert::keys(&lease, &[NewKey { record: first, idempotency: None }]).await?.is_empty() {
            return Err(taken(0).into());
        }
    }
    if changes.is_empty() {
        return Ok(Written { value: false, revision: 0 });
    }
    let revision = entry::leave(&lease, &changes, audit).await?;
    let last = revision + (changes.len() as u64) - 1;
    if known.is_none() {
        tenant.revision = revision;
        tenant::write(&lease, tenant.id, &tenant).await?;
    }
    if wanted {
        insert::number_keys(&lease, &[id], last).await?;
    }
    lease.commit().await?;
    Ok(Written { value: wanted, revision: last })
}

/// Whether there is no key of this hash, or, where none is insisted on, no key of the tenant at all.
async fn is_wanted(lease: &Lease, tenant: TenantId, insisted: Option<&KeyRecord>) -> Result<bool, Stop> {
    let those = insisted.map_or(Column::TenantId.eq(tenant.0), |key| Column::Hash.eq(key.hash.0.to_vec()));
    let query = Entity::find().select_only().column(Column::Id).filter(those).limit(1);
    Ok(lease.query_one(&query.into_query()).await?.is_none())
}
