//! Request for a key, and its fingerprint for idempotent calls.

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_core::error::FieldViolation;
use latchkey_core::time::Timestamp;

use super::Caller;
use super::encoding::{Encoder, hex};

/// Expiry of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// A point in time.
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
    /// Scopes, by name or alias; empty for the default scopes of the kind, which has none unless the profile names them.
    pub scopes: Vec<String>,
    /// True for every scope that the caller can grant and the kind can have, without those that manage keys.
    pub all_scopes: bool,
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
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

impl CreateKey {
    /// Returns the name under which the idempotency key is stored, which is unique in the tenant of the new key. Operators
    /// have all rights in every tenant, and share their idempotency keys. Those of a key or user of the tenant are its own, so
    /// that no caller learns of the keys of another one, or keeps it from creating its own.
    pub(super) fn idempotency_name(&self, caller: &Caller) -> String {
        match caller.principal() {
            None => self.idempotency_key.clone(),
            Some(_) => name_of_subject(&caller.subject, &self.idempotency_key),
        }
    }

    /// Returns a hash of all fields but the idempotency key: two calls with one idempotency key make the same request
    /// if their fingerprints are equal. Scopes are a set. The hash is stored.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let expiry = |encoder: Encoder, expiry| match expiry {
            Expiry::At(at) => encoder.number(1).signed(at.0),
            Expiry::After(ttl) => encoder.number(2).number(ttl.as_secs()).number(ttl.subsec_nanos().into()),
        };
        // The bytes of requests without `all_scopes` are those of the first version, so that stored hashes stay valid.
        let start = if self.all_scopes {
            Encoder::new("latchkey.create_key.v2").number(1)
        } else {
            Encoder::new("latchkey.create_key.v1")
        };
        start
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

/// Returns the name of an idempotency key of a subject. The name is stored.
fn name_of_subject(subject: &str, idempotency_key: &str) -> String {
    let name = Encoder::new("latchkey.idempotency_key.v1").text(subject).text(idempotency_key);
    hex(&name.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_name_of_an_idempotency_key_stays_and_is_the_subjects_own() {
        let name = name_of_subject("key_1", "wish-1");
        assert_eq!(name, "63be5e303efe3d47d0044f96700b853e8aae583d1563a41cb9fca718c932ae16");
        for (subject, idempotency_key) in [("key_2", "wish-1"), ("key_1", "wish-2"), ("key_1wish", "-1")] {
            assert_ne!(name_of_subject(subject, idempotency_key), name);
        }
    }
}
