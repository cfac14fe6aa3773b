//! Construction of a key from a request. All fields are checked against the tenant's profile, and all violations are
//! reported together. The limits on what the caller can grant are in [`super::grants`].

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::key_kind::KeyKind;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::scope::ScopeSet;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use rand::Rng;

use super::encoding::Encoder;
use super::field_validator::FieldValidator;

/// Expiry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At a point in time.
    At(Timestamp),
    /// A duration after the key's creation.
    After(Duration),
}

/// Request for a key; the fields are those of `latchkey.v1.CreateKeyRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateKey {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// Name, 1 to 128 characters.
    pub name: String,
    /// Kind; empty for the profile's default kind.
    pub kind: String,
    /// Environment; empty for `live`.
    pub environment: String,
    /// Scopes, by name or alias; empty for the default scopes of the kind.
    pub scopes: Vec<String>,
    /// Resources and identifiers that the key is confined to.
    pub bindings: BTreeMap<String, String>,
    /// Expiry; `None` for a key that does not expire.
    pub expiry: Option<Expiry>,
    /// CIDR blocks from which the key can be used.
    pub allowed_networks: Vec<String>,
    /// Limits, by rate class.
    pub rate_limits: BTreeMap<String, String>,
    /// Labels of the key's owner.
    pub metadata: BTreeMap<String, String>,
    /// Idempotency key; empty: each call creates a key.
    pub idempotency_key: String,
}

impl CreateKey {
    /// Returns a hash of all fields but the idempotency key: two calls with one idempotency key make the same request
    /// if their fingerprints are equal. Scopes are a set. The hash is stored.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let expiry = |encoder: Encoder, expiry| match expiry {
            Expiry::At(at) => encoder.number(1).signed(at.0),
            Expiry::After(ttl) => encoder.number(2).number(ttl.as_secs()).number(ttl.subsec_nanos().into()),
        };
        Encoder::new("latchkey.create_key.v1")
            .text(&self.tenant)
            .text(&self.name)
            .text(&self.kind)
            .text(&self.environment)
            .set(&self.scopes)
            .map(&self.bindings)
            .optional(self.expiry, expiry)
            .list(&self.allowed_networks)
            .map(&self.rate_limits)
            .map(&self.metadata)
            .digest()
    }
}

/// Key without a value.
pub(super) struct KeyDraft<'p> {
    /// All fields but the value's hash, prefix and hint.
    pub(super) record: KeyRecord,
    /// Kind of the key.
    pub(super) kind: &'p KeyKind,
    /// Scopes that the key is to be granted.
    pub(super) granted: ScopeSet,
    /// True if the request names scopes; false if they are the defaults of the kind.
    pub(super) scopes_requested: bool,
}

/// Context in which a draft is built.
pub(super) struct KeyBuilder<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: TenantId,
    pub(super) now: Timestamp,
    pub(super) created_by: &'a str,
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
        fields.text("name", &request.name, 1..=128);
        fields.labels("metadata", &request.metadata);
        if !request.idempotency_key.is_empty() {
            fields.text("idempotency_key", &request.idempotency_key, 1..=128);
        }
        let networks = fields.networks("allowed_networks", &request.allowed_networks);
        let limits = fields.key_limits("rate_limits", &request.rate_limits, self.policy);
        let expires = self.expiry(request.expiry, fields);
        let kind = self.kind(&request.kind, fields);
        let environment =
            if request.environment.is_empty() { DEFAULT_ENVIRONMENT } else { &request.environment };
        self.environment(environment, kind, fields);
        let granted = self.scopes(&request.scopes, kind, fields);
        bindings(&request.bindings, kind, fields);
        let kind = kind?;
        let record = KeyRecord {
            id: KeyId::new(self.now, random),
            tenant: self.tenant,
            hash: KeyHash([0; 32]),
            name: request.name.clone(),
            kind: kind.name.clone(),
            environment: environment.into(),
            prefix: "".into(),
            hint: "".into(),
            scopes: self.policy.scopes.names(&granted).map(Into::into).collect(),
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
            sealed: None,
            last_used: None,
            revision: 0,
        };
        Some(KeyDraft { record, kind, granted, scopes_requested: !request.scopes.is_empty() })
    }

    fn kind(&self, name: &str, fields: &mut FieldValidator<'_>) -> Option<&'p KeyKind> {
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
            fields.reject("kind", text);
        }
        kind
    }

    fn environment(&self, name: &str, kind: Option<&KeyKind>, fields: &mut FieldValidator<'_>) {
        if !self.policy.environments.iter().any(|e| **e == *name) {
            let known = self.policy.environments.join(", ");
            fields.reject("environment", format!("the profile has no environment {name:?}; it has {known}"));
        } else if let Some(kind) = kind.filter(|k| k.prefixes.of(name).is_none()) {
            fields.reject("environment", format!("there are no {} keys in {name:?}", kind.name));
        }
    }

    fn expiry(&self, expiry: Option<Expiry>, fields: &mut FieldValidator<'_>) -> Option<Timestamp> {
        match expiry? {
            Expiry::At(at) => {
                fields.expiry("expire_time", at, self.now);
                Some(at)
            }
            Expiry::After(ttl) => fields.lifetime("ttl", ttl, self.now),
        }
    }

    /// Returns the requested scopes or, if there are none, the default scopes of the kind.
    pub(super) fn scopes(
        &self,
        requested: &[String],
        kind: Option<&KeyKind>,
        fields: &mut FieldValidator<'_>,
    ) -> ScopeSet {
        let mut granted = ScopeSet::default();
        for (n, name) in requested.iter().enumerate() {
            match self.policy.scopes.find(name) {
                None => fields.reject(&format!("scopes[{n}]"), "the profile has no such scope"),
                Some(scope) if kind.is_some_and(|k| !k.max_scopes.contains(scope)) => {
                    fields.reject(&format!("scopes[{n}]"), "keys of this kind can't have this scope");
                }
                Some(scope) => granted.insert(scope),
            }
        }
        if requested.is_empty() {
            kind.map(|k| k.default_scopes.clone()).unwrap_or_default()
        } else {
            granted
        }
    }
}

fn bindings(bindings: &BTreeMap<String, String>, kind: Option<&KeyKind>, fields: &mut FieldValidator<'_>) {
    fields.labels("bindings", bindings);
    for name in kind.into_iter().flat_map(|k| &k.bindings) {
        if !bindings.contains_key(&**name) {
            fields.reject("bindings", format!("a key of this kind must be bound to a {name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn request() -> CreateKey {
        CreateKey {
            tenant: "acme".into(),
            name: "api".into(),
            kind: "secret".into(),
            environment: "live".into(),
            scopes: texts(&["items.read", "items.write"]),
            bindings: map(&[("merchant", "m_1")]),
            expiry: Some(Expiry::After(Duration::from_secs(60))),
            allowed_networks: texts(&["192.0.2.0/24"]),
            rate_limits: map(&[("default", "10/min")]),
            metadata: map(&[("team", "pay")]),
            idempotency_key: "once".into(),
        }
    }

    #[test]
    fn stored_fingerprints_stay() {
        assert_eq!(
            hex(&CreateKey::default().fingerprint()),
            "671a261f5bd8107225ae25c3c107add52be4ce65b1a5b2cac87edb3cbe8fb3db"
        );
        assert_eq!(
            hex(&request().fingerprint()),
            "d4af472422ee906452b9063c1c61c9e1f2366f4c0dad426e20ece9b63d10e9e1"
        );
        let at = CreateKey { expiry: Some(Expiry::At(Timestamp(1_763_000_000_000))), ..request() };
        assert_eq!(
            hex(&at.fingerprint()),
            "567a19002302abca431f8ddb0a4157b24b9f1ec2a4c8e08608a426f472bdbb7a"
        );
    }

    #[test]
    fn neither_the_order_of_scopes_nor_the_idempotency_key_changes_the_fingerprint() {
        for scopes in [&["items.write", "items.read"][..], &["items.read", "items.write", "items.read"]] {
            let same = CreateKey { scopes: texts(scopes), idempotency_key: "twice".into(), ..request() };
            assert_eq!(same.fingerprint(), request().fingerprint(), "{scopes:?}");
        }
    }

    #[test]
    fn every_other_field_changes_the_fingerprint() {
        let others = [
            CreateKey { tenant: "other".into(), ..request() },
            CreateKey { name: "other".into(), ..request() },
            CreateKey { kind: "other".into(), ..request() },
            CreateKey { environment: "test".into(), ..request() },
            CreateKey { scopes: texts(&["items.read"]), ..request() },
            CreateKey { bindings: map(&[("merchant", "m_2")]), ..request() },
            CreateKey { expiry: None, ..request() },
            CreateKey { expiry: Some(Expiry::After(Duration::from_secs(61))), ..request() },
            CreateKey { expiry: Some(Expiry::At(Timestamp(60))), ..request() },
            CreateKey { allowed_networks: vec![], ..request() },
            CreateKey { rate_limits: map(&[("default", "11/min")]), ..request() },
            CreateKey { metadata: map(&[]), ..request() },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), request().fingerprint(), "{other:?}");
        }
    }
}
