//! Creates the operators' tenant and its first key, exactly once, even if many processes start on an empty
//! database at the same time.

use latchkey_core::id::TenantId;
use latchkey_core::ports::ChangeSubject;
use latchkey_core::record::{KeyRecord, TenantRecord, TenantRef};
use latchkey_management::ports::{AuditEntry, NewKey, WriteResult};
use sea_orm::entity::prelude::*;
use sea_orm::{QuerySelect, QueryTrait};

use super::create::taken;
use super::{insert, tenant};
use crate::entity::key::{Column, Entity};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query;

/// Creates what is missing; returns whether the key was created. The head is locked from the start, so that
/// only one process finds nothing and the others find what it has created.
pub(crate) async fn bootstrap_operator(
    connection: PooledConnection,
    mut tenant: TenantRecord,
    mut first: KeyRecord,
    insist: bool,
    audit: &AuditEntry,
) -> Result<WriteResult<bool>, StoreError> {
    journal::lock_head(&connection).await?;
    let known = query::tenant::by_ref(&connection, &TenantRef::Slug(tenant.slug.to_string())).await?;
    let mut changes = Vec::new();
    if let Some(known) = &known {
        first.tenant = known.id;
    } else {
        insert::tenant(&connection, &tenant).await?;
        first.tenant = tenant.id;
        changes.push(ChangeSubject::Tenant(tenant.id).into());
    }
    let wanted = is_wanted(&connection, first.tenant, insist.then_some(&first)).await?;
    let id = first.id;
    if wanted {
        changes.push(ChangeSubject::Key(first.hash).into());
        if insert::keys(&connection, &[&NewKey { record: first, idempotency: None, imported: true }])
            .await?
            .is_empty()
        {
            return Err(taken(0).into());
        }
    }
    if changes.is_empty() {
        return journal::unchanged_at_head(&connection, false).await;
    }
    let appended = journal::append_changes(&connection, &changes, audit).await?;
    let revision = appended.first;
    let last = revision + (changes.len() as u64) - 1;
    if known.is_none() {
        tenant.revision = revision;
        tenant::write(&connection, tenant.id, &tenant).await?;
    }
    if wanted {
        insert::number_key(&connection, id, last).await?;
    }
    connection.commit().await?;
    Ok(WriteResult::written(last, wanted).with_history(appended.history))
}

/// Returns whether the key must be created: no key has this hash or, if no hash is given, the tenant has no key
/// at all.
async fn is_wanted(
    connection: &PooledConnection,
    tenant: TenantId,
    insisted: Option<&KeyRecord>,
) -> Result<bool, StoreError> {
    let those = insisted.map_or(Column::TenantId.eq(tenant.0), |key| Column::Hash.eq(key.hash.0.to_vec()));
    let query = Entity::find().select_only().column(Column::Id).filter(those).limit(1);
    if connection.query_one(&query.into_query()).await?.is_some() {
        return Ok(false);
    }
    // The value of a deleted key is never valid again, and operators who deleted their keys get no new one by a restart.
    Ok(match insisted {
        Some(key) => query::deletion::deleted_hashes(connection, &[key.hash]).await?.is_empty(),
        None => !query::deletion::has_deleted_key(connection, tenant).await?,
    })
}
