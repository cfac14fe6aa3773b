//! Calls by which operators create, change, suspend and resume tenants.

use std::collections::BTreeMap;

use crate::ports::AuditAction;
use latchkey_core::choices::not_one_of;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::excerpt::Quoted;
use latchkey_core::id::TenantId;
use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::record::{TenantRecord, TenantRef, is_slug};

use super::field_validator::FieldValidator;
use super::missing::ObjectType;
use super::{CallContext, Caller, ManagementService, counts};

/// Request for a tenant; the fields are those of `latchkey.v1.CreateTenantRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTenant {
    /// Slug: 3 to 63 lower-case letters, digits and hyphens.
    pub slug: String,
    /// Display name.
    pub display_name: String,
    /// Profile of the tenant, which cannot be changed later.
    pub profile: String,
    /// Plan of the profile; empty for none.
    pub plan: String,
    /// Limits, by rate class.
    pub rate_limits: BTreeMap<String, String>,
}

/// Changes to a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateTenant {
    /// Tenant by id or slug.
    pub tenant: String,
    /// Slug of the same tenant if the request has it beside the id; empty otherwise.
    pub slug: String,
    /// Names of the fields to change, as in the contract.
    pub fields: Vec<String>,
    /// Display name (`display_name`).
    pub display_name: String,
    /// Plan (`plan`).
    pub plan: String,
    /// Limits by rate class (`rate_limits`).
    pub rate_limits: BTreeMap<String, String>,
}

/// Tenant to suspend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuspendTenant {
    /// Tenant by id or slug.
    pub tenant: String,
    /// Human-readable reason, for the audit log.
    pub reason: String,
}

impl ManagementService {
    /// Creates a tenant.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        request: CreateTenant,
        call: &CallContext,
    ) -> Result<TenantRecord, ManagementError> {
        caller.require_operator()?;
        let mut fields = FieldValidator::new("");
        slug(&request.slug, &mut fields);
        fields.name("display_name", &request.display_name, 0..=128);
        let policy = self.parts.policies.named(&request.profile);
        let limits = match &policy {
            None => {
                let profiles = self.parts.store.profiles().await?;
                let known = profiles.iter().map(|profile| &*profile.name);
                fields.reject("profile", not_one_of(&request.profile, known));
                None
            }
            Some(policy) => {
                plan(&request.plan, policy, "plan", &mut fields);
                Some(fields.tenant_limits("rate_limits", &request.rate_limits, policy))
            }
        };
        fields.finish()?;
        let now = self.parts.clock.now().wall;
        let tenant = TenantRecord {
            id: TenantId::new(now, &mut (self.parts.random)()),
            slug: request.slug.into(),
            display_name: request.display_name,
            profile: request.profile.into(),
            plan: (!request.plan.is_empty()).then(|| request.plan.into()),
            suspended: false,
            created: now,
            limits: limits.unwrap_or_default(),
            revision: 0,
        };
        let entry = self
            .audit_entry(caller, AuditAction::TenantCreate, call)
            .for_tenant(tenant.id)
            .on_target(&tenant.slug)
            .with_new_tenant(&tenant);
        let written = self.parts.store.create_tenant(tenant, entry).await?;
        Ok(self.wait_until_applied(written, call).await?.value)
    }

    /// Reads a tenant. Operators can read all, a tenant's key only its own.
    pub async fn get_tenant(
        &self,
        caller: &Caller,
        tenant: &str,
        _call: &CallContext,
    ) -> Result<TenantRecord, ManagementError> {
        if caller.role().is_none() {
            return self.managed_tenant(caller, tenant).await;
        }
        self.any_tenant(tenant).await
    }

    /// Changes a tenant. The change holds on every replica when this returns.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        request: UpdateTenant,
        call: &CallContext,
    ) -> Result<TenantRecord, ManagementError> {
        caller.require_operator()?;
        counts::check_mask(&request.fields)?;
        let tenant = self.any_tenant(&request.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        let entry = self
            .audit_entry(caller, AuditAction::TenantUpdate, call)
            .for_tenant(tenant.id)
            .on_target(&tenant.slug);
        let entry = entry.with_fields(&request.fields);
        let rule = Box::new(|old: &TenantRecord| change(old, &request, &policy));
        let written = self.parts.store.change_tenant(tenant.id, rule, entry).await?;
        Ok(self.wait_until_applied(written, call).await?.value)
    }

    /// Suspends a tenant: all of its credentials are denied on every replica when this returns.
    pub async fn suspend_tenant(
        &self,
        caller: &Caller,
        request: SuspendTenant,
        call: &CallContext,
    ) -> Result<TenantRecord, ManagementError> {
        caller.require_operator()?;
        let mut fields = FieldValidator::new("");
        fields.text("reason", &request.reason, 0..=256);
        fields.finish()?;
        self.set_suspended(caller, &request.tenant, true, request.reason, call).await
    }

    /// Ends a suspension.
    pub async fn resume_tenant(
        &self,
        caller: &Caller,
        tenant: &str,
        call: &CallContext,
    ) -> Result<TenantRecord, ManagementError> {
        caller.require_operator()?;
        self.set_suspended(caller, tenant, false, String::new(), call).await
    }

    async fn set_suspended(
        &self,
        caller: &Caller,
        tenant: &str,
        suspended: bool,
        reason: String,
        call: &CallContext,
    ) -> Result<TenantRecord, ManagementError> {
        let tenant = self.any_tenant(tenant).await?;
        if operator::is_operator_tenant(&tenant) {
            return Err(RequestError::FailedPrecondition(
                "the operators' own tenant can't be suspended".into(),
            )
            .into());
        }
        let action = if suspended { AuditAction::TenantSuspend } else { AuditAction::TenantResume };
        let entry = self
            .audit_entry(caller, action, call)
            .for_tenant(tenant.id)
            .on_target(&tenant.slug)
            .with_detail("reason", reason);
        let rule = Box::new(move |old: &TenantRecord| Ok(TenantRecord { suspended, ..old.clone() }));
        let written = self.parts.store.change_tenant(tenant.id, rule, entry).await?;
        Ok(self.wait_until_applied(written, call).await?.value)
    }

    pub(super) async fn any_tenant(&self, name: &str) -> Result<TenantRecord, ManagementError> {
        let not_found = || self.not_found(ObjectType::Tenant, name);
        let found = self.parts.store.tenant(&TenantRef::parse(name).ok_or_else(not_found)?).await?;
        Ok(found.ok_or_else(not_found)?)
    }
}

fn change(old: &TenantRecord, request: &UpdateTenant, policy: &Policy) -> Result<TenantRecord, RequestError> {
    let mut fields = FieldValidator::new("");
    let mut new = old.clone();
    if !request.slug.is_empty() && *request.slug != *old.slug {
        let text = format!("must be empty, or {}, the slug of this tenant: it can't be changed", old.slug);
        fields.reject("tenant.slug", text);
    }
    if request.fields.is_empty() {
        fields.reject("update_mask", "must name a field");
    }
    for field in &request.fields {
        match field.as_str() {
            "display_name" => {
                fields.name("tenant.display_name", &request.display_name, 0..=128);
                new.display_name.clone_from(&request.display_name);
            }
            "plan" => {
                plan(&request.plan, policy, "tenant.plan", &mut fields);
                new.plan = (!request.plan.is_empty()).then(|| request.plan.as_str().into());
            }
            "rate_limits" => {
                new.limits = fields.tenant_limits("tenant.rate_limits", &request.rate_limits, policy);
            }
            other => {
                fields.reject("update_mask", not_one_of(other, ["display_name", "plan", "rate_limits"]));
            }
        }
    }
    fields.finish()?;
    Ok(new)
}

fn plan(name: &str, policy: &Policy, field: &str, fields: &mut FieldValidator<'_>) {
    if !name.is_empty() && !policy.plans.contains_key(name) {
        let mut known: Vec<&str> = policy.plans.keys().map(|name| &**name).collect();
        known.sort_unstable();
        let remedy = if known.is_empty() { ": leave it empty, or declare it in the profile" } else { "" };
        fields.reject(field, format!("{}{remedy}", not_one_of(name, known)));
    }
}

fn slug(slug: &str, fields: &mut FieldValidator<'_>) {
    if !is_slug(slug) {
        let rule = "must have 3 to 63 lower-case letters, digits and hyphens";
        fields.reject("slug", format!("{} {rule}", Quoted(slug)));
    } else if matches!(TenantRef::parse(slug), Some(TenantRef::Id(_))) {
        fields.reject("slug", format!("{} must not look like an identifier", Quoted(slug)));
    } else if slug == operator::SLUG {
        fields.reject("slug", format!("{} is the operators' own", Quoted(slug)));
    }
}
