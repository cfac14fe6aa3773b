//! Update of a key, field by field. Each field is checked against the profile. [`super::grants`] checks the whole key
//! against the rights of the caller.

use std::collections::BTreeMap;

use crate::ports::AuditAction;
use latchkey_core::cached_key::StringMapRef;
use latchkey_core::choices::not_one_of;
use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::policy::Policy;
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;

use super::field_validator::FieldValidator;
use super::key_builder::KeyBuilder;
use super::keys::already_revoked;
use super::{CallContext, Caller, ManagementService};
use super::{counts, lifetime};

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
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

/// Fields that can be changed.
const CHANGEABLE: [&str; 7] =
    ["name", "scopes", "allowed_networks", "rate_limits", "metadata", "expire_time", "disabled"];

impl ManagementService {
    /// Changes a key. The change holds on every replica when this returns.
    pub async fn update_key(
        &self,
        caller: &Caller,
        request: UpdateKey,
        call: &CallContext,
    ) -> Result<KeyRecord, ManagementError> {
        self.manages_keys(caller)?;
        counts::check_mask(&request.fields)?;
        if request.id.is_empty() && !request.violations.is_empty() {
            return Err(RequestError::InvalidArgument(request.violations).into());
        }
        let (key, tenant) = self.managed_key(caller, &request.id).await?;
        caller.require_reach(&tenant)?;
        if request.fields != ["disabled"] || !request.disabled {
            // A role with fewer rights takes access away, and changes nothing else.
            caller.require_creator()?;
        }
        let policy = self.policy_of(&tenant)?;
        let change = KeyChange { request: &request, policy: &policy, now: self.parts.clock.now().wall };
        let entry =
            self.audit_entry(caller, AuditAction::KeyUpdate, call).for_tenant(tenant.id).on_target(&key.id);
        let entry = entry.with_fields(&request.fields);
        let rule = Box::new(|key: &KeyRecord| change.apply(key));
        Ok(self.change_key(caller, (&key, &tenant), rule, entry, call).await?.value)
    }
}

/// Update rule, evaluated inside the store's transaction.
struct KeyChange<'a> {
    request: &'a UpdateKey,
    policy: &'a Policy,
    now: Timestamp,
}

impl KeyChange<'_> {
    fn apply(&self, old: &KeyRecord) -> Result<KeyRecord, RequestError> {
        let (request, policy) = (self.request, self.policy);
        let mut fields = FieldValidator::new("");
        fields.extend(&request.violations);
        let mut new = old.clone();
        if request.fields.is_empty() {
            fields.reject("update_mask", format!("must name at least one of {}", CHANGEABLE.join(", ")));
        }
        for field in &request.fields {
            match field.as_str() {
                "name" => {
                    fields.name("key.name", &request.name, 1..=128);
                    new.name.clone_from(&request.name);
                }
                "metadata" => {
                    fields.labels("key.metadata", &request.metadata);
                    new.metadata.clone_from(&request.metadata);
                }
                "scopes" => self.update_scopes(&mut new, &mut fields),
                "allowed_networks" => {
                    new.networks = fields.networks("key.allowed_networks", &request.allowed_networks);
                }
                "rate_limits" => {
                    new.limits = fields.key_limits("key.rate_limits", &request.rate_limits, policy);
                }
                // A time that the message cannot hold is among the violations.
                "expire_time" if !request.violations.is_empty() => {}
                "expire_time" => {
                    if let Some(at) = request.expires {
                        fields.expiry("key.expire_time", at, self.now);
                    }
                    if let Some(kind) = policy.kind(&old.kind) {
                        let expires = ("key.expire_time", request.expires);
                        lifetime::check(kind, old.created, expires, &mut fields);
                    }
                    new.expires = request.expires;
                }
                "disabled" => {
                    new.lifecycle = old.lifecycle.set_disabled(request.disabled).map_err(already_revoked)?;
                }
                other => fields.reject("update_mask", not_one_of(other, CHANGEABLE)),
            }
        }
        fields.finish()?;
        old.lifecycle.set_disabled(false).map_err(already_revoked)?;
        Ok(new)
    }

    /// Sets the requested scopes; an empty list removes all scopes.
    fn update_scopes(&self, new: &mut KeyRecord, fields: &mut FieldValidator<'_>) {
        let builder = KeyBuilder {
            policy: self.policy,
            tenant: new.tenant,
            now: self.now,
            earliest_expiry: self.now,
            created_by: "",
            created: new.created,
            caller_expires: None,
            caller_bindings: StringMapRef::Pairs(&[]),
        };
        let granted = builder.scopes(&self.request.scopes, self.policy.kind(&new.kind), fields);
        new.scopes = self.policy.scopes.names(&granted).map(Into::into).collect();
    }
}
