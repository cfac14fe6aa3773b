//! Creates a tenant, and changes one by a rule.

use latchkey_core::error::RequestError;
use latchkey_core::id::TenantId;
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::record::TenantRecord;
use latchkey_management::ports::{AuditEntry, TenantUpdateFn, WriteResult};
use sea_orm::entity::prelude::*;
use sea_orm::{ActiveValue, QuerySelect};

use super::{insert, stored};
use crate::entity::tenant;
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query;
use crate::row;

/// Creates the tenant if its slug is free and its profile was not deleted meanwhile.
pub(crate) async fn create(
    connection: PooledConnection,
    mut tenant: TenantRecord,
    audit: &AuditEntry,
) -> Result<WriteResult<TenantRecord>, StoreError> {
    if !insert::tenant(&connection, &tenant).await? {
        return Err(RequestError::AlreadyExists(format!("the slug {} is taken", tenant.slug)).into());
    }
    let change = ChangeSubject::Tenant(tenant.id).into();
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    // The head is locked: a deletion of the profile has been committed, or will find this tenant.
    let newest = query::profile::last_row(&connection, &tenant.profile).await?;
    if newest.is_some_and(|newest| query::profile::is_deleted(&newest)) {
        let text = format!("the profile {} was deleted; apply it again, or name another one", tenant.profile);
        return Err(RequestError::FailedPrecondition(text).into());
    }
    tenant.revision = appended.first;
    write(&connection, tenant.id, &tenant).await?;
    connection.commit().await?;
    Ok(WriteResult::written(tenant.revision, tenant).with_history(appended.history))
}

/// Replaces the tenant by the rule's result.
pub(crate) async fn change(
    connection: PooledConnection,
    id: TenantId,
    rule: TenantUpdateFn<'_>,
    audit: &AuditEntry,
) -> Result<WriteResult<TenantRecord>, StoreError> {
    let row = tenant::Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    let row = row.filter(|row| !query::tenant::is_ended(&row.slug));
    let before = row::tenant::record(row.ok_or_else(|| RequestError::not_found("tenant", &id))?)?;
    let mut after = rule(&before)?;
    if after == before {
        return journal::unchanged(&connection, before.revision, before).await;
    }
    // Each change of a suspended tenant has the effect "suspended", because replicas record only the newest
    // change.
    let effect = after.suspended.then_some(ChangeEffect::Suspended);
    let change = ChangeSubject::Tenant(id).with_effect(effect);
    let audit = audit.clone().with_change_of_tenant(&before, &after);
    let appended = journal::append_changes(&connection, &[change], &audit).await?;
    after.revision = appended.first;
    write(&connection, id, &after).await?;
    connection.commit().await?;
    Ok(WriteResult::written(after.revision, after).with_history(appended.history))
}

pub(super) async fn write(
    connection: &PooledConnection,
    id: TenantId,
    tenant: &TenantRecord,
) -> Result<(), StoreError> {
    let row = tenant::ActiveModel { id: ActiveValue::Unchanged(id.0), ..row::tenant::row(tenant) };
    stored::one("tenants", tenant::Entity::update(row).exec_without_returning(connection).await)
}
