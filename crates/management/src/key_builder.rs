//! From a wish for a key to the key: every field is checked against the tenant's profile, and everything
//! that is wrong is told at once. What the caller may grant is a rule of its own ([`super::grants`]).

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

impl CreateKey {
    /// Returns a hash of everything that is asked but the idempotency key: two calls with one idempotency key ask the
    /// same if their fingerprints are equal. Scopes are a set. The hash is stored.
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

/// A key that only lacks its value.
pub(super) struct KeyDraft<'p> {
    /// Everything but the value's hash, prefix and hint.
    pub(super) record: KeyRecord,
    /// Its kind.
    pub(super) kind: &'p KeyKind,
    /// What it is to be granted.
    pub(super) granted: ScopeSet,
    /// Whether the scopes were asked for, or chosen by the kind.
    pub(super) asked_scopes: bool,
}

/// What a draft is drawn up with.
pub(super) struct KeyBuilder<'a> {
    pub(super) policy: &'a Policy,
    pub(super) tenant: TenantId,
    pub(super) now: Timestamp,
    pub(super) created_by: &'a str,
}

/// The environment where none is named.
pub(super) const DEFAULT_ENVIRONMENT: &str = "live";

impl<'p> KeyBuilder<'p> {
    /// Draws a key up. Nothing comes back where the kind isn't known, or something else is so wrong that
    /// no key can be thought of; what is wrong stands in `fields`.
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
        Some(KeyDraft { record, kind, granted, asked_scopes: !request.scopes.is_empty() })
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
        let (field, at) = match expiry? {
            Expiry::At(at) => ("expire_time", at),
            Expiry::After(ttl) => ("ttl", self.now.plus(ttl)),
        };
        if at <= self.now {
            fields.reject(field, "must be in the future");
        }
        Some(at)
    }

    /// What is asked for, or what the kind gives.
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
                    fields.reject(&format!("scopes[{n}]"), "a key of this kind can't be granted it");
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

    fn ask() -> CreateKey {
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
            hex(&ask().fingerprint()),
            "d4af472422ee906452b9063c1c61c9e1f2366f4c0dad426e20ece9b63d10e9e1"
        );
        let at = CreateKey { expiry: Some(Expiry::At(Timestamp(1_763_000_000_000))), ..ask() };
        assert_eq!(
            hex(&at.fingerprint()),
            "567a19002302abca431f8ddb0a4157b24b9f1ec2a4c8e08608a426f472bdbb7a"
        );
    }

    #[test]
    fn neither_the_order_of_scopes_nor_the_idempotency_key_changes_what_is_asked() {
        for scopes in [&["items.write", "items.read"][..], &["items.read", "items.write", "items.read"]] {
            let same = CreateKey { scopes: texts(scopes), idempotency_key: "twice".into(), ..ask() };
            assert_eq!(same.fingerprint(), ask().fingerprint(), "{scopes:?}");
        }
    }

    #[test]
    fn every_other_field_changes_what_is_asked() {
        let others = [
            CreateKey { tenant: "other".into(), ..ask() },
            CreateKey { name: "other".into(), ..ask() },
            CreateKey { kind: "other".into(), ..ask() },
            CreateKey { environment: "test".into(), ..ask() },
            CreateKey { scopes: texts(&["items.read"]), ..ask() },
            CreateKey { bindings: map(&[("merchant", "m_2")]), ..ask() },
            CreateKey { expiry: None, ..ask() },
            CreateKey { expiry: Some(Expiry::After(Duration::from_secs(61))), ..ask() },
            CreateKey { expiry: Some(Expiry::At(Timestamp(60))), ..ask() },
            CreateKey { allowed_networks: vec![], ..ask() },
            CreateKey { rate_limits: map(&[("default", "11/min")]), ..ask() },
            CreateKey { metadata: map(&[]), ..ask() },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), ask().fingerprint(), "{other:?}");
        }
    }
}
