//! Tenants: operators make, change, suspend and resume them.

use std::collections::BTreeMap;

use latchkey_core::id::TenantId;
use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::record::{TenantRecord, TenantRef, is_slug};
use latchkey_core::trouble::{Failure, Refusal};

use super::encoding::Encoder;
use super::fields::Fields;
use super::page::{self, Page};
use super::{CallContext, Caller, Registrar};

/// A wish for a tenant; the fields are those of `latchkey.v1.CreateTenantRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTenant {
    /// Lower-case letters, digits and hyphens, 3 to 63 of them.
    pub slug: String,
    /// For people.
    pub display_name: String,
    /// The profile that it is judged by, for good.
    pub profile: String,
    /// One of its plans; empty: none.
    pub plan: String,
    /// Class and limits.
    pub rate_limits: BTreeMap<String, String>,
}

/// What to change of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateTenant {
    /// By id or slug.
    pub tenant: String,
    /// The fields to change, by the contract's names.
    pub fields: Vec<String>,
    /// `display_name`.
    pub display_name: String,
    /// `plan`.
    pub plan: String,
    /// `rate_limits`.
    pub rate_limits: BTreeMap<String, String>,
}

/// Which tenant to suspend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuspendTenant {
    /// By id or slug.
    pub tenant: String,
    /// For people, in the audit log.
    pub reason: String,
}

/// Which tenants to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTenants {
    /// 0 for 100, at most 1,000.
    pub page_size: i32,
    /// From the page before.
    pub page_token: String,
}

impl Registrar {
    /// Makes a tenant.
    pub async fn create_tenant(
        &self,
        by: &Caller,
        ask: CreateTenant,
        call: &CallContext,
    ) -> Result<TenantRecord, Failure> {
        by.operator()?;
        let mut fields = Fields::within("");
        slug(&ask.slug, &mut fields);
        fields.text("display_name", &ask.display_name, 0..=128);
        let policy = self.parts.policies.named(&ask.profile);
        let limits = match &policy {
            None => {
                fields.wrong("profile", format!("no profile {:?} is in force", ask.profile));
                None
            }
            Some(policy) => {
                plan(&ask.plan, policy, "plan", &mut fields);
                Some(fields.tenant_limits("rate_limits", &ask.rate_limits, policy))
            }
        };
        fields.finish()?;
        let now = self.parts.clock.now().wall;
        let tenant = TenantRecord {
            id: TenantId::new(now, &mut (self.parts.random)()),
            slug: ask.slug.into(),
            display_name: ask.display_name,
            profile: ask.profile.into(),
            plan: (!ask.plan.is_empty()).then(|| ask.plan.into()),
            suspended: false,
            created: now,
            limits: limits.unwrap_or_default(),
            revision: 0,
        };
        let entry = self.entry(by, "tenant.create", call).of(tenant.id).to(&tenant.slug);
        let written = self.parts.ledger.create_tenant(tenant, entry).await?;
        Ok(self.spread(written, call).await?.value)
    }

    /// Reads a tenant: an operator any, a tenant's key its own.
    pub async fn get_tenant(
        &self,
        by: &Caller,
        tenant: &str,
        _call: &CallContext,
    ) -> Result<TenantRecord, Failure> {
        if by.operator().is_err() {
            return self.managed_tenant(by, tenant).await;
        }
        self.any_tenant(tenant).await
    }

    /// Lists tenants, newest first. The operators' own isn't among them.
    pub async fn list_tenants(
        &self,
        by: &Caller,
        ask: ListTenants,
        _call: &CallContext,
    ) -> Result<Page<TenantRecord>, Failure> {
        by.operator()?;
        let list = Encoder::new("latchkey.list_tenants.v1");
        let size = page::size(ask.page_size)?;
        let before = page::cursor(&ask.page_token, &list)?.map(TenantId);
        // One more than needed tells whether there are more; another stands in for the operators' own.
        let mut tenants = self.parts.ledger.tenants(before, size + 2).await?;
        tenants.retain(|t| !operator::is_operators(t));
        Ok(page::page(tenants, size, &list, |t| t.id.0))
    }

    /// Changes a tenant. It holds everywhere when this returns.
    pub async fn update_tenant(
        &self,
        by: &Caller,
        ask: UpdateTenant,
        call: &CallContext,
    ) -> Result<TenantRecord, Failure> {
        by.operator()?;
        let tenant = self.any_tenant(&ask.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        let entry = self.entry(by, "tenant.update", call).of(tenant.id).to(&tenant.slug);
        let entry = entry.with("fields", ask.fields.join(" "));
        let rule = Box::new(|old: &TenantRecord| change(old, &ask, &policy));
        let written = self.parts.ledger.change_tenant(tenant.id, rule, entry).await?;
        Ok(self.spread(written, call).await?.value)
    }

    /// Denies every credential of a tenant, everywhere when this returns.
    pub async fn suspend_tenant(
        &self,
        by: &Caller,
        ask: SuspendTenant,
        call: &CallContext,
    ) -> Result<TenantRecord, Failure> {
        by.operator()?;
        let mut fields = Fields::within("");
        fields.text("reason", &ask.reason, 0..=256);
        fields.finish()?;
        self.switch(by, (&ask.tenant, true, ask.reason), call).await
    }

    /// Takes a suspension back.
    pub async fn resume_tenant(
        &self,
        by: &Caller,
        tenant: &str,
        call: &CallContext,
    ) -> Result<TenantRecord, Failure> {
        by.operator()?;
        self.switch(by, (tenant, false, String::new()), call).await
    }

    async fn switch(
        &self,
        by: &Caller,
        (tenant, suspended, reason): (&str, bool, String),
        call: &CallContext,
    ) -> Result<TenantRecord, Failure> {
        let tenant = self.any_tenant(tenant).await?;
        if operator::is_operators(&tenant) {
            return Err(Refusal::Precondition("the operators' own tenant can't be suspended".into()).into());
        }
        let action = if suspended { "tenant.suspend" } else { "tenant.resume" };
        let entry = self.entry(by, action, call).of(tenant.id).to(&tenant.slug).with("reason", reason);
        let rule = Box::new(move |old: &TenantRecord| Ok(TenantRecord { suspended, ..old.clone() }));
        let written = self.parts.ledger.change_tenant(tenant.id, rule, entry).await?;
        Ok(self.spread(written, call).await?.value)
    }

    pub(super) async fn any_tenant(&self, name: &str) -> Result<TenantRecord, Failure> {
        let name = TenantRef::parse(name).ok_or(Refusal::NotFound("tenant"))?;
        let found = self.parts.ledger.tenant(&name).await?;
        Ok(found.ok_or(Refusal::NotFound("tenant"))?)
    }
}

fn change(old: &TenantRecord, ask: &UpdateTenant, policy: &Policy) -> Result<TenantRecord, Refusal> {
    let mut fields = Fields::within("");
    let mut new = old.clone();
    if ask.fields.is_empty() {
        fields.wrong("update_mask", "must name a field");
    }
    for field in &ask.fields {
        match field.as_str() {
            "display_name" => {
                fields.text("tenant.display_name", &ask.display_name, 0..=128);
                new.display_name.clone_from(&ask.display_name);
            }
            "plan" => {
                plan(&ask.plan, policy, "tenant.plan", &mut fields);
                new.plan = (!ask.plan.is_empty()).then(|| ask.plan.as_str().into());
            }
            "rate_limits" => {
                new.limits = fields.tenant_limits("tenant.rate_limits", &ask.rate_limits, policy);
            }
            other => fields.wrong("update_mask", format!("{other:?} can't be changed")),
        }
    }
    fields.finish()?;
    Ok(new)
}

fn plan(name: &str, policy: &Policy, field: &str, fields: &mut Fields<'_>) {
    if !name.is_empty() && !policy.plans.contains_key(name) {
        fields.wrong(field, "the profile has no such plan");
    }
}

fn slug(slug: &str, fields: &mut Fields<'_>) {
    if !is_slug(slug) {
        fields.wrong("slug", "must have 3 to 63 lower-case letters, digits and hyphens");
    } else if matches!(TenantRef::parse(slug), Some(TenantRef::Id(_))) {
        fields.wrong("slug", "must not look like an identifier");
    } else if slug == operator::SLUG {
        fields.wrong("slug", "is the operators' own");
    }
}
