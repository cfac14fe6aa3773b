//! Changing a key: field by field, each held to the profile and to what the caller may grant.

use std::collections::BTreeMap;

use latchkey_core::policy::Policy;
use latchkey_core::record::KeyRecord;
use latchkey_core::scope::ScopeSet;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal};

use super::draft::Desk;
use super::fields::Fields;
use super::grants::Grants;
use super::keys::revoked;
use super::{CallContext, Caller, Registrar};

/// What to change of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateKey {
    /// Which.
    pub id: String,
    /// The fields to change, by the contract's names.
    pub fields: Vec<String>,
    /// `name`.
    pub name: String,
    /// `scopes`.
    pub scopes: Vec<String>,
    /// `allowed_networks`.
    pub allowed_networks: Vec<String>,
    /// `rate_limits`.
    pub rate_limits: BTreeMap<String, String>,
    /// `metadata`.
    pub metadata: BTreeMap<String, String>,
    /// `expire_time`; none: never.
    pub expires: Option<Timestamp>,
    /// `disabled`.
    pub disabled: bool,
}

impl Registrar {
    /// Changes a key. What narrows it holds everywhere when this returns.
    pub async fn update_key(
        &self,
        by: &Caller,
        ask: UpdateKey,
        call: &CallContext,
    ) -> Result<KeyRecord, Failure> {
        let (key, tenant) = self.managed_key(by, &ask.id).await?;
        let policy = self.policy_of(&tenant)?;
        let change = Change { ask: &ask, policy: &policy, by, now: self.parts.clock.now().wall };
        let entry = self.entry(by, "key.update", call).of(tenant.id).to(&key.id);
        let entry = entry.with("fields", ask.fields.join(" "));
        let written = self.parts.ledger.change_key(key.id, Box::new(|key| change.apply(key)), entry).await?;
        Ok(self.spread(written, call).await?.value)
    }
}

/// A change of a key, as the ledger's rule.
struct Change<'a> {
    ask: &'a UpdateKey,
    policy: &'a Policy,
    by: &'a Caller,
    now: Timestamp,
}

impl Change<'_> {
    fn apply(&self, old: &KeyRecord) -> Result<KeyRecord, Refusal> {
        let (ask, policy) = (self.ask, self.policy);
        let grants = self.by.principal().map(|own| Grants::of(own, policy));
        let desk = Desk { policy, tenant: old.tenant, now: self.now, created_by: "" };
        let mut fields = Fields::within("");
        let mut new = old.clone();
        let mut forbidden = Ok(());
        if ask.fields.is_empty() {
            fields.wrong("update_mask", "must name a field");
        }
        for field in &ask.fields {
            let covered = match field.as_str() {
                "name" => {
                    fields.text("key.name", &ask.name, 1..=128);
                    new.name.clone_from(&ask.name);
                    Ok(())
                }
                "metadata" => {
                    fields.labels("key.metadata", &ask.metadata);
                    new.metadata.clone_from(&ask.metadata);
                    Ok(())
                }
                "scopes" => self.rescope(&desk, &mut new, &mut fields, grants.as_ref()),
                "allowed_networks" => {
                    new.networks = fields.networks("key.allowed_networks", &ask.allowed_networks);
                    grants.as_ref().map_or(Ok(()), |g| g.cover_networks(&new))
                }
                "rate_limits" => {
                    new.limits = fields.key_limits("key.rate_limits", &ask.rate_limits, policy);
                    grants.as_ref().map_or(Ok(()), |g| g.cover_limits(&new.limits))
                }
                "expire_time" => {
                    if ask.expires.is_some_and(|at| at <= self.now) {
                        fields.wrong("key.expire_time", "must be in the future");
                    }
                    new.expires = ask.expires;
                    grants.as_ref().map_or(Ok(()), |g| g.cover_expiry(&new))
                }
                "disabled" => {
                    new.life = old.life.switch(ask.disabled).map_err(revoked)?;
                    Ok(())
                }
                other => {
                    fields.wrong("update_mask", format!("{other:?} can't be changed"));
                    Ok(())
                }
            };
            forbidden = forbidden.and(covered);
        }
        fields.finish()?;
        forbidden?;
        old.life.switch(false).map_err(revoked)?;
        Ok(new)
    }

    /// Scopes as asked for; unlike at creation, none means none.
    fn rescope(
        &self,
        desk: &Desk<'_>,
        new: &mut KeyRecord,
        fields: &mut Fields<'_>,
        grants: Option<&Grants<'_>>,
    ) -> Result<(), Refusal> {
        let granted = match self.ask.scopes.as_slice() {
            [] => ScopeSet::default(),
            asked => desk.scopes(asked, self.policy.kind(&new.kind), fields),
        };
        new.scopes = self.policy.scopes.names(&granted).map(Into::into).collect();
        grants.map_or(Ok(()), |g| g.cover_scopes(&granted))
    }
}
