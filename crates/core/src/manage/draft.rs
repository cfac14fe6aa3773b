//! From a wish for a key to the key: every field is checked against the tenant's profile, and everything
//! that is wrong is told at once. What the caller may grant is a rule of its own ([`super::grants`]).

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;

use super::fields::Fields;
use crate::id::{KeyId, TenantId};
use crate::kind::Kind;
use crate::policy::Policy;
use crate::record::{KeyLife, KeyRecord};
use crate::scope::ScopeSet;
use crate::secret::KeyHash;
use crate::time::Timestamp;

/// When a key is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this time.
    At(Timestamp),
    /// So long after it is made.
    After(Duration),
}

/// A wish for a key; the fields are those of `latchkey.v1.CreateKeyRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateKey {
    /// By id or slug; empty: the caller's own.
    pub tenant: String,
    /// 1 to 128 characters.
    pub name: String,
    /// Empty: the profile's default kind.
    pub kind: String,
    /// Empty: `live`.
    pub environment: String,
    /// Names or aliases; none: the kind's own choice.
    pub scopes: Vec<String>,
    /// What the key is confined to.
    pub bindings: BTreeMap<String, String>,
    /// None: it never stops.
    pub expiry: Option<Expiry>,
    /// CIDR blocks.
    pub allowed_networks: Vec<String>,
    /// Class and limit.
    pub rate_limits: BTreeMap<String, String>,
    /// The owner's own words.
    pub metadata: BTreeMap<String, String>,
    /// Empty: each call makes a key.
    pub idempotency_key: String,
}

/// A key that only lacks its value.
pub(super) struct Draft<'p> {
    /// Everything but the value's hash, prefix and hint.
    pub(super) record: KeyRecord,
    /// Its kind.
    pub(super) kind: &'p Kind,
    /// What it is to be granted.
    pub(super) granted: ScopeSet,
    /// Whether the scopes were asked for, or chosen by the kind.
    pub(super) asked_scopes: bool,
}

/// What a draft is drawn up with.
pub(super) struct Desk<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: TenantId,
    pub(super) now: Timestamp,
    pub(super) created_by: &'a str,
}

/// The environment where none is named.
pub(super) const DEFAULT_ENVIRONMENT: &str = "live";

impl<'p> Desk<'p> {
    /// Draws a key up. Nothing comes back where the kind isn't known, or something else is so wrong that
    /// no key can be thought of; what is wrong stands in `fields`.
    pub(super) fn draft(
        &self,
        ask: &CreateKey,
        fields: &mut Fields<'_>,
        random: &mut dyn Rng,
    ) -> Option<Draft<'p>> {
        fields.text("name", &ask.name, 1..=128);
        fields.labels("metadata", &ask.metadata);
        if !ask.idempotency_key.is_empty() {
            fields.text("idempotency_key", &ask.idempotency_key, 1..=128);
        }
        let networks = fields.networks("allowed_networks", &ask.allowed_networks);
        let limits = fields.key_limits("rate_limits", &ask.rate_limits, self.policy);
        let expires = self.expiry(ask.expiry, fields);
        let kind = self.kind(&ask.kind, fields);
        let environment = if ask.environment.is_empty() { DEFAULT_ENVIRONMENT } else { &ask.environment };
        self.environment(environment, kind, fields);
        let granted = self.scopes(&ask.scopes, kind, fields);
        bindings(&ask.bindings, kind, fields);
        let kind = kind?;
        let record = KeyRecord {
            id: KeyId::new(self.now, random),
            tenant: self.tenant,
            hash: KeyHash([0; 32]),
            name: ask.name.clone(),
            kind: kind.name.clone(),
            environment: environment.into(),
            prefix: "".into(),
            hint: "".into(),
            scopes: self.policy.scopes.names(&granted).map(Into::into).collect(),
            bindings: ask.bindings.clone(),
            networks,
            limits,
            metadata: ask.metadata.clone(),
            life: KeyLife::Active,
            created: self.now,
            created_by: self.created_by.to_owned(),
            expires,
            rotated_from: None,
            rotated_to: None,
            sealed: None,
            last_used: None,
            revision: 0,
        };
        Some(Draft { record, kind, granted, asked_scopes: !ask.scopes.is_empty() })
    }

    fn kind(&self, name: &str, fields: &mut Fields<'_>) -> Option<&'p Kind> {
        let kind = match name {
            "" => self.policy.default_kind(),
            name => self.policy.kind(name),
        };
        if kind.is_none() {
            let text = if name.is_empty() {
                "the profile has no default kind"
            } else {
                "the profile has no such kind"
            };
            fields.wrong("kind", text);
        }
        kind
    }

    fn environment(&self, name: &str, kind: Option<&Kind>, fields: &mut Fields<'_>) {
        if !self.policy.environments.iter().any(|e| **e == *name) {
            let known = self.policy.environments.join(", ");
            fields.wrong("environment", format!("the profile has no environment {name:?}; it has {known}"));
        } else if let Some(kind) = kind.filter(|k| k.prefixes.of(name).is_none()) {
            fields.wrong("environment", format!("there are no {} keys in {name:?}", kind.name));
        }
    }

    fn expiry(&self, expiry: Option<Expiry>, fields: &mut Fields<'_>) -> Option<Timestamp> {
        let (field, at) = match expiry? {
            Expiry::At(at) => ("expire_time", at),
            Expiry::After(ttl) => ("ttl", self.now.after(ttl)),
        };
        if at <= self.now {
            fields.wrong(field, "must be in the future");
        }
        Some(at)
    }

    /// What is asked for, or what the kind gives.
    pub(super) fn scopes(&self, asked: &[String], kind: Option<&Kind>, fields: &mut Fields<'_>) -> ScopeSet {
        let mut granted = ScopeSet::default();
        for (n, name) in asked.iter().enumerate() {
            match self.policy.scopes.find(name) {
                None => fields.wrong(&format!("scopes[{n}]"), "the profile has no such scope"),
                Some(scope) if kind.is_some_and(|k| !k.most.contains(scope)) => {
                    fields.wrong(&format!("scopes[{n}]"), "a key of this kind can't be granted it");
                }
                Some(scope) => granted.insert(scope),
            }
        }
        if asked.is_empty() { kind.map(|k| k.default_scopes.clone()).unwrap_or_default() } else { granted }
    }
}

fn bindings(bindings: &BTreeMap<String, String>, kind: Option<&Kind>, fields: &mut Fields<'_>) {
    fields.labels("bindings", bindings);
    for name in kind.into_iter().flat_map(|k| &k.bindings) {
        if !bindings.contains_key(&**name) {
            fields.wrong("bindings", format!("a key of this kind must be bound to a {name}"));
        }
    }
}
