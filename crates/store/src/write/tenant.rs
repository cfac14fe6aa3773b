//! Making a tenant, and changing one by a rule.

use latchkey_core::id::TenantId;
use latchkey_core::ports::Changed;
use latchkey_core::record::TenantRecord;
use latchkey_core::trouble::Refusal;
use latchkey_management::ports::{AuditEntry, TenantRule, Written};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, QuerySelect};

use super::insert;
use crate::entity::tenant;
use crate::entry;
use crate::pool::Lease;
use crate::row;
use crate::stop::Stop;

/// Makes the tenant, if its slug is free.
pub(crate) async fn create(
    lease: Lease,
    mut tenant: TenantRecord,
    audit: &AuditEntry,
) -> Result<Written<TenantRecord>, Stop> {
    if !insert::tenant(&lease, &tenant).await? {
        return Err(Refusal::AlreadyExists(format!("the slug {} is taken", tenant.slug)).into());
    }
    tenant.revision = entry::leave(&lease, &[Changed::Tenant(tenant.id)], audit).await?;
    write(&lease, tenant.id, &tenant).await?;
    lease.commit().await?;
    Ok(Written { revision: tenant.revision, value: tenant })
}

/// Makes the tenant what the rule says.
pub(crate) async fn change(
    lease: Lease,
    id: TenantId,
    rule: TenantRule<'_>,
    audit: &AuditEntry,
) -> Result<Written<TenantRecord>, Stop> {
    let row = tenant::Entity::find_by_id(id.0).lock_exclusive().one(&lease).await?;
    let before = row::tenant::record(row.ok_or(Refusal::NotFound("tenant"))?)?;
    let mut after = rule(&before)?;
    if after == before {
        return Ok(Written { value: before, revision: 0 });
    }
    after.revision = entry::leave(&lease, &[Changed::Tenant(id)], audit).await?;
    write(&lease, id, &after).await?;
    lease.commit().await?;
    Ok(Written { revision: after.revision, value: after })
}

pub(super) async fn write(lease: &Lease, id: TenantId, tenant: &TenantRecord) -> Result<(), Stop> {
    let row = tenant::ActiveModel { id: ActiveValue::Unchanged(id.0), ..row::tenant::row(tenant) };
    tenant::Entity::update(row).exec_without_returning(lease).await?;
    Ok(())
}
