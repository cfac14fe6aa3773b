//! Deletion of tenants with their keys and users, and of profiles with their tenants.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::TenantId;
use latchkey_core::operator;

use super::{Deletions, TenantOrDeletion};
use crate::missing::ObjectType;
use crate::ports::AuditAction;
use crate::ports::deletion::ErasedObjects;
use crate::{CallContext, Caller};

/// Deletion of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletedTenant {
    /// Identifier of the tenant.
    pub id: TenantId,
    /// Revision of the deletion.
    pub revision: u64,
    /// Keys and users that this call has erased.
    pub erased: ErasedObjects,
}

/// Profile to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteProfile {
    /// Name of the profile.
    pub name: String,
    /// True to delete the tenants of the profile too.
    pub force: bool,
}

/// Deletion of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletedProfile {
    /// Revision of the deletion.
    pub revision: u64,
    /// Tenants that this call has deleted, or whose deletion it has finished.
    pub tenants: u64,
    /// Keys and users that this call has erased.
    pub erased: ErasedObjects,
}

impl DeletedProfile {
    /// Adds a tenant of the profile.
    fn add(&mut self, tenant: DeletedTenant) {
        self.tenants += 1;
        self.erased.add(tenant.erased);
    }
}

/// Tenants that an error about a profile names.
const NAMED_TENANTS: usize = 5;
/// Tenants that are read at a time: one more than an error names.
const TENANTS_READ: u32 = 6;

impl Deletions {
    /// Deletes a tenant with its keys and users. No replica admits any of them when this returns, and they are erased.
    pub async fn delete_tenant(
        &self,
        caller: &Caller,
        name: &str,
        call: &CallContext,
    ) -> Result<DeletedTenant, ManagementError> {
        caller.require_operator()?;
        let management = &*self.management;
        let (id, target, written) = match self.tenant_or_deletion(name).await? {
            TenantOrDeletion::Deletion(deletion) => {
                (deletion.tenant, deletion.tenant.to_string(), deletion.written)
            }
            TenantOrDeletion::Tenant(tenant) if operator::is_operator_tenant(&tenant) => {
                let text = "the operators' own tenant can't be deleted";
                return Err(RequestError::FailedPrecondition(text.into()).into());
            }
            TenantOrDeletion::Tenant(tenant) => {
                let entry = management.audit_entry(caller, AuditAction::TenantDelete, call);
                let entry = entry.for_tenant(tenant.id).on_target(&tenant.slug);
                let written = self.store.begin_tenant_deletion(tenant.id, entry).await?;
                (tenant.id, tenant.slug.to_string(), written)
            }
        };
        let revision = management.wait_until_applied(written, call).await?.revision;
        let erased = self.erase_tenant(caller, id, &target, call).await?;
        Ok(DeletedTenant { id, revision, erased })
    }

    /// Erases everything of a tenant that has ended, in batches. An interrupted call is continued by the next one.
    async fn erase_tenant(
        &self,
        caller: &Caller,
        id: TenantId,
        target: &str,
        call: &CallContext,
    ) -> Result<ErasedObjects, ManagementError> {
        let mut erased = ErasedObjects::default();
        loop {
            loop {
                let batch = self.store.erase_tenant(id, &caller.subject).await?;
                if batch.is_empty() {
                    break;
                }
                erased.add(batch);
            }
            let entry = self.management.audit_entry(caller, AuditAction::TenantErase, call);
            let entry = entry.for_tenant(id).on_target(&target);
            let entry = entry.with_detail("keys", erased.keys.to_string());
            let entry = entry.with_detail("users", erased.users.to_string());
            if self.store.finish_tenant_deletion(id, entry).await? {
                return Ok(erased);
            }
        }
    }

    /// Deletes a profile with all of its versions and its signing keys. A profile with tenants is kept unless `force` is
    /// set, which deletes them first. Tenants whose deletion was interrupted are erased in either case, since their profile
    /// is what they are found by.
    pub async fn delete_profile(
        &self,
        caller: &Caller,
        request: DeleteProfile,
        call: &CallContext,
    ) -> Result<DeletedProfile, ManagementError> {
        caller.require_operator()?;
        let name = &*request.name;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(self.management.not_found(ObjectType::Profile, name).into());
        }
        let mut deleted = DeletedProfile::default();
        loop {
            let tenants = self.store.tenants_of_profile(name, TENANTS_READ).await?;
            if tenants.is_empty() {
                break;
            }
            if !request.force {
                let slugs: Vec<&str> = tenants.iter().map(|tenant| &*tenant.slug).collect();
                return Err(in_use(name, &slugs).into());
            }
            for tenant in tenants {
                deleted.add(self.delete_tenant(caller, &tenant.id.to_string(), call).await?);
            }
        }
        loop {
            let ended = self.store.ended_tenants_of_profile(name, TENANTS_READ).await?;
            if ended.is_empty() {
                break;
            }
            for tenant in ended {
                deleted.add(self.delete_tenant(caller, &tenant.to_string(), call).await?);
            }
        }
        let entry = self.management.audit_entry(caller, AuditAction::ProfileDelete, call).on_target(&name);
        let entry = entry.with_detail("tenants", deleted.tenants.to_string());
        let written = self.store.delete_profile(name, entry).await?;
        deleted.revision = self.management.wait_until_applied(written, call).await?.revision;
        Ok(deleted)
    }
}

fn in_use(name: &str, slugs: &[&str]) -> RequestError {
    let shown = slugs[..slugs.len().min(NAMED_TENANTS)].join(", ");
    let more = if slugs.len() > NAMED_TENANTS { " and others" } else { "" };
    RequestError::FailedPrecondition(format!(
        "tenants use the profile {name}: {shown}{more}; delete them first, or set force to delete them with the profile"
    ))
}
