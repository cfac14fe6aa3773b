//! Update of a key, field by field. Each field is checked against the profile and against what the caller can grant.

use std::collections::BTreeMap;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::policy::Policy;
use latchkey_core::record::KeyRecord;
use latchkey_core::scope::ScopeSet;
use latchkey_core::time::Timestamp;

use super::field_validator::FieldValidator;
use super::grants::Grants;
use super::key_builder::KeyBuilder;
use super::keys::already_revoked;
use super::{CallContext, Caller, ManagementService};

/// Changes to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateKey {
    /// Identifier of the key.
    pub id: String,
    /// Names of the fields to change, as in the contract.
    pub fields: Vec<String>,
    /// Name (`name`).
    pub name: String,
    /// Scopes (`scopes`).
    pub scopes: Vec<String>,
    /// Allowed networks (`allowed_networks`).
    pub allowed_networks: Vec<String>,
    /// Limits by rate class (`rate_limits`).
    pub rate_limits: BTreeMap<String, String>,
    /// Labels (`metadata`).
    pub metadata: BTreeMap<String, String>,
    /// Expiry (`expire_time`); `None` for a key that does not expire.
    pub expires: Option<Timestamp>,
    /// True to disable the key (`disabled`).
    pub disabled: bool,
}

impl ManagementService {
    /// Changes a key. The change holds on every replica when this returns.
    pub async fn update_key(
        &self,
        caller: &Caller,
        request: UpdateKey,
        call: &CallContext,
    ) -> Result<KeyRecord, ManagementError> {
        let (key, tenant) = self.managed_key(caller, &request.id).await?;
        let policy = self.policy_of(&tenant)?;
        let change =
            KeyChange { request: &request, policy: &policy, caller, now: self.parts.clock.now().wall };
        let entry = self.audit_entry(caller, "key.update", call).for_tenant(tenant.id).on_target(&key.id);
        let entry = entry.with_detail("fields", request.fields.join(" "));
        let written = self.parts.store.change_key(key.id, Box::new(|key| change.apply(key)), entry).await?;
        Ok(self.wait_until_applied(written, call).await?.value)
    }
}

/// Update rule, evaluated inside the store's transaction.
struct KeyChange<'a> {
    request: &'a UpdateKey,
    policy: &'a Policy,
    caller: &'a Caller,
    now: Timestamp,
}

impl KeyChange<'_> {
    fn apply(&self, old: &KeyRecord) -> Result<KeyRecord, RequestError> {
        let (request, policy) = (self.request, self.policy);
        let grants = self.caller.principal().map(|own| Grants::of(own, policy));
        let builder = KeyBuilder { policy, tenant: old.tenant, now: self.now, created_by: "" };
        let mut fields = FieldValidator::new("");
        let mut new = old.clone();
        let mut forbidden = Ok(());
        if request.fields.is_empty() {
            fields.reject("update_mask", "must name a field");
        }
        for field in &request.fields {
            let covered = match field.as_str() {
                "name" => {
                    fields.text("key.name", &request.name, 1..=128);
                    new.name.clone_from(&request.name);
                    Ok(())
                }
                "metadata" => {
                    fields.labels("key.metadata", &request.metadata);
                    new.metadata.clone_from(&request.metadata);
                    Ok(())
                }
                "scopes" => self.update_scopes(&builder, &mut new, &mut fields, grants.as_ref()),
                "allowed_networks" => {
                    new.networks = fields.networks("key.allowed_networks", &request.allowed_networks);
                    grants.as_ref().map_or(Ok(()), |g| g.check_networks(&new))
                }
                "rate_limits" => {
                    new.limits = fields.key_limits("key.rate_limits", &request.rate_limits, policy);
                    grants.as_ref().map_or(Ok(()), |g| g.check_limits(&new.limits))
                }
                "expire_time" => {
                    if let Some(at) = request.expires {
                        fields.expiry("key.expire_time", at, self.now);
                    }
                    new.expires = request.expires;
                    grants.as_ref().map_or(Ok(()), |g| g.check_expiry(&new))
                }
                "disabled" => {
                    new.lifecycle = old.lifecycle.set_disabled(request.disabled).map_err(already_revoked)?;
                    Ok(())
                }
                other => {
                    fields.reject("update_mask", format!("{other:?} can't be changed"));
                    Ok(())
                }
            };
            forbidden = forbidden.and(covered);
        }
        fields.finish()?;
        forbidden?;
        old.lifecycle.set_disabled(false).map_err(already_revoked)?;
        Ok(new)
    }

    /// Sets the requested scopes; unlike at creation, an empty list removes all scopes.
    fn update_scopes(
        &self,
        builder: &KeyBuilder<'_>,
        new: &mut KeyRecord,
        fields: &mut FieldValidator<'_>,
        grants: Option<&Grants<'_>>,
    ) -> Result<(), RequestError> {
        let granted = match self.request.scopes.as_slice() {
            [] => ScopeSet::default(),
            requested => builder.scopes(requested, self.policy.kind(&new.kind), fields),
        };
        new.scopes = self.policy.scopes.names(&granted).map(Into::into).collect();
        grants.map_or(Ok(()), |g| g.check_scopes(&granted))
    }
}
