//! Construction of a key from a request. All fields are checked against the tenant's profile, and all violations are
//! reported together. The limits on what the caller can grant are in [`super::grants`].

use std::collections::BTreeMap;

use latchkey_core::cached_key::StringMapRef;
use latchkey_core::choices::{listed, not_one_of};
use latchkey_core::excerpt::Quoted;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::key_kind::KeyKind;
use latchkey_core::operator::{self, OperatorRole};
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::scope::{ScopeId, ScopeSet};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use rand::Rng;

use super::create_key::{CreateKey, Expiry};
use super::field_validator::FieldValidator;
use super::{bindings, counts, lifetime};

/// Key without a value.
pub(super) struct KeyDraft<'p> {
    /// All fields but the scopes and the value's hash, prefix and hint.
    pub(super) record: KeyRecord,
    /// Kind of the key.
    pub(super) kind: &'p KeyKind,
    /// Scopes that the request names: the caller must have them.
    pub(super) named_scopes: ScopeSet,
    /// Scopes that the request does not name: the key is granted those of them that the caller has.
    pub(super) implied_scopes: ScopeSet,
}

/// Context in which a draft is built.
pub(super) struct KeyBuilder<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: TenantId,
    pub(super) now: Timestamp,
    /// Time before which no key may expire: the present one, except for imports.
    pub(super) earliest_expiry: Timestamp,
    pub(super) created_by: &'a str,
    /// Creation of the key, from which its lifetime counts.
    pub(super) created: Timestamp,
    /// Expiry of the caller, which bounds what the caller can grant.
    pub(super) caller_expires: Option<Timestamp>,
    /// Bindings of the caller.
    pub(super) caller_bindings: StringMapRef<'a>,
}

/// Environment of a request that names none.
pub(super) const DEFAULT_ENVIRONMENT: &str = "live";

impl<'p> KeyBuilder<'p> {
    /// Builds a draft and records violations in `fields`. Returns `None` if the kind is unknown.
    pub(super) fn build(
        &self,
        request: &CreateKey,
        fields: &mut FieldValidator<'_>,
        random: &mut dyn Rng,
    ) -> Option<KeyDraft<'p>> {
        fields.extend(&request.violations);
        fields.name("name", &request.name, 1..=128);
        fields.labels("metadata", &request.metadata);
        if !request.idempotency_key.is_empty() {
            fields.text("idempotency_key", &request.idempotency_key, 1..=128);
        }
        let networks = fields.networks("allowed_networks", &request.allowed_networks);
        let limits = fields.key_limits("rate_limits", &request.rate_limits, self.policy);
        let kind = self.kind(&request.kind, fields);
        // An expiry that the message cannot hold is among the violations, and must not count as an open one.
        let expires =
            if request.violations.is_empty() { self.expiry(request.expiry, kind, fields) } else { None };
        let environment =
            if request.environment.is_empty() { DEFAULT_ENVIRONMENT } else { &request.environment };
        self.check_environment(&request.environment, environment, kind, fields);
        let named_scopes = self.scopes(&request.scopes, kind, fields);
        bindings::check(fields, "bindings", &request.bindings, self.caller_bindings, self.policy);
        required_bindings(&request.bindings, kind, fields);
        if *self.policy.name == *operator::SLUG {
            check_operator_key(request, fields);
        }
        let kind = kind?;
        let implied_scopes = match (request.all_scopes, request.scopes.is_empty()) {
            (true, _) => self.policy.scopes.without_management(&kind.max_scopes),
            (false, true) => kind.default_scopes.clone(),
            (false, false) => ScopeSet::default(),
        };
        let record = KeyRecord {
            id: KeyId::new(self.now, random),
            tenant: self.tenant,
            hash: KeyHash([0; 32]),
            name: request.name.clone(),
            kind: kind.name.clone(),
            environment: environment.into(),
            prefix: "".into(),
            hint: "".into(),
            scopes: Vec::new(),
            bindings: request.bindings.clone(),
            networks,
            limits,
            metadata: request.metadata.clone(),
            lifecycle: KeyLifecycle::Active,
            created: self.now,
            created_by: self.created_by.to_owned(),
            expires,
            rotated_from: None,
            rotated_to: None,
            bucket_key: None,
            sealed: None,
            last_used: None,
            revision: 0,
        };
        Some(KeyDraft { record, kind, named_scopes, implied_scopes })
    }

    fn kind(&self, name: &str, fields: &mut FieldValidator<'_>) -> Option<&'p KeyKind> {
        let kind = match name {
            "" => self.policy.default_kind(),
            name => self.policy.kind(name),
        };
        if kind.is_none() {
            let known: Vec<&str> = self.policy.kinds.iter().map(|kind| &*kind.name).collect();
            let text = match name {
                "" => format!("is required: one of {}", known.join(", ")),
                name => not_one_of(name, known),
            };
            fields.reject("kind", text);
        }
        kind
    }

    /// Checks the environment `name`, which is the requested one or the default.
    fn check_environment(
        &self,
        requested: &str,
        name: &str,
        kind: Option<&KeyKind>,
        fields: &mut FieldValidator<'_>,
    ) {
        if !self.policy.environments.iter().any(|e| **e == *name) {
            let known: Vec<&str> = self.policy.environments.iter().map(|name| &**name).collect();
            let text = match requested {
                "" if !known.is_empty() => format!("is required: one of {}", listed(&known)),
                _ => not_one_of(name, known),
            };
            fields.reject("environment", text);
        } else if let Some(kind) = kind.filter(|k| k.prefixes.of(name).is_none()) {
            fields.reject("environment", format!("there are no {} keys in {}", kind.name, Quoted(name)));
        }
    }

    /// Returns the expiry: the requested one or, without one, what the kind and the caller's own expiry imply.
    fn expiry(
        &self,
        expiry: Option<Expiry>,
        kind: Option<&KeyKind>,
        fields: &mut FieldValidator<'_>,
    ) -> Option<Timestamp> {
        let implied = |kind: &KeyKind| kind.lifetime.implied(self.created, self.now, self.caller_expires);
        let (field, expires) = match expiry {
            None => ("ttl", kind.and_then(implied)),
            Some(expiry) => {
                let (field, at) = lifetime::resolve(expiry, self.now, self.earliest_expiry, fields)?;
                (field, Some(at))
            }
        };
        if let Some(kind) = kind {
            lifetime::check(kind, self.created, (field, expires), fields);
        }
        expires
    }

    /// Returns the requested scopes.
    pub(super) fn scopes(
        &self,
        requested: &[String],
        kind: Option<&KeyKind>,
        fields: &mut FieldValidator<'_>,
    ) -> ScopeSet {
        let mut granted = ScopeSet::default();
        let most = counts::most_scopes(self.policy);
        if requested.len() > most {
            fields.reject("scopes", counts::too_many(most, requested.len()));
            return granted;
        }
        for (n, name) in requested.iter().enumerate() {
            let found = self.policy.scopes.find(name);
            let can_have = |scope: &ScopeId| kind.is_none_or(|kind| kind.max_scopes.contains(*scope));
            if let Some(scope) = found.filter(can_have) {
                granted.insert(scope);
                continue;
            }
            let text = if fields.is_brief() {
                let name = Quoted(name);
                format!(
                    "keys of this kind can't have {name}; the choices are left out after many other mistakes"
                )
            } else {
                self.wrong_scope(name, found, kind)
            };
            fields.reject(&format!("scopes[{n}]"), text);
        }
        granted
    }

    /// Returns the description of a scope that a key of a kind can't have, with those that it can have.
    fn wrong_scope(&self, name: &str, found: Option<ScopeId>, kind: Option<&KeyKind>) -> String {
        let possible = self.possible_scopes(kind);
        let known: Vec<&str> = self.policy.scopes.names(&possible).collect();
        if found.is_none() {
            return not_one_of(name, known);
        }
        let (name, known) = (Quoted(name), listed(&known));
        format!("keys of this kind can't have {name}; they can have {known}")
    }

    /// Returns the scopes that a key of a kind can have.
    fn possible_scopes(&self, kind: Option<&KeyKind>) -> ScopeSet {
        kind.map_or_else(|| self.policy.scopes.all(), |kind| kind.max_scopes.clone())
    }
}

fn required_bindings(
    bindings: &BTreeMap<String, String>,
    kind: Option<&KeyKind>,
    fields: &mut FieldValidator<'_>,
) {
    for name in kind.into_iter().flat_map(|k| &k.bindings) {
        if !bindings.contains_key(&**name) {
            fields.reject("bindings", format!("a key of this kind must be bound to a {name}"));
        }
    }
}

/// Checks a key of the operators' tenant: it has a role, and acts in every tenant, so that no binding confines it.
fn check_operator_key(request: &CreateKey, fields: &mut FieldValidator<'_>) {
    if request.scopes.is_empty() && !request.all_scopes {
        let roles = OperatorRole::ALL.map(OperatorRole::scope);
        fields.reject(
            "scopes",
            format!("must name the role of an operators' key: one of {}", roles.join(", ")),
        );
    }
    if !request.bindings.is_empty() {
        fields.reject("bindings", "must be empty: nothing confines an operators' key to bindings");
    }
}

#[cfg(test)]
mod tests;
