//! Conversion of requests and responses about keys. A key's message never has the hash, and has the value only in the
//! response of an RPC that reads it.

use latchkey_core::limit::{BucketOwner, Limit, LimitOverrides};
use latchkey_core::record::{KeyLifecycle, KeyRecord, KeyState};
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_management::{
    CreateKey, Expiry, ImportFinding, ImportKey, ImportSecret, ImportedHash, ImportedKeys, RotateKey,
    UpdateKey,
};
use latchkey_proto::v1;
use std::collections::HashMap;

use super::time::{duration_from_proto, timestamp_from_proto, timestamp_to_proto};
use super::{Violations, to_btree_map, to_hash_map};

/// Converts the request to rotate a key.
pub(crate) fn rotate(request: v1::RotateKeyRequest, violations: &mut Violations) -> RotateKey {
    use v1::rotate_key_request::Expiry::{ExpireTime, Ttl};
    let expiry = match request.expiry {
        None => None,
        Some(ExpireTime(at)) => timestamp_from_proto("expire_time", Some(at), violations).map(Expiry::At),
        Some(Ttl(ttl)) => duration_from_proto("ttl", Some(ttl), violations).map(Expiry::After),
    };
    let overlap = duration_from_proto("overlap", request.overlap, violations).unwrap_or_default();
    RotateKey { id: request.id, overlap, expiry, violations: Vec::new() }
}

/// Converts the request to create a key. `field_prefix` is put in front of the fields that violations name.
pub(crate) fn create(
    request: v1::CreateKeyRequest,
    field_prefix: &str,
    violations: &mut Violations,
) -> CreateKey {
    use v1::create_key_request::Expiry::{ExpireTime, Ttl};
    let expiry = match request.expiry {
        None => None,
        Some(ExpireTime(at)) => {
            timestamp_from_proto(&format!("{field_prefix}expire_time"), Some(at), violations).map(Expiry::At)
        }
        Some(Ttl(ttl)) => {
            duration_from_proto(&format!("{field_prefix}ttl"), Some(ttl), violations).map(Expiry::After)
        }
    };
    CreateKey {
        tenant: request.tenant,
        name: request.name,
        kind: request.kind,
        environment: request.environment,
        scopes: request.scopes,
        all_scopes: request.all_scopes,
        bindings: to_btree_map(request.bindings),
        expiry,
        allowed_networks: request.allowed_networks,
        rate_limits: to_btree_map(request.rate_limits),
        metadata: to_btree_map(request.metadata),
        idempotency_key: request.idempotency_key,
        violations: Vec::new(),
    }
}

/// Converts the request to update a key.
pub(crate) fn update(request: v1::UpdateKeyRequest, violations: &mut Violations) -> UpdateKey {
    let key = request.key.unwrap_or_default();
    if key.id.is_empty() {
        violations.add("key.id", "is required");
    }
    UpdateKey {
        id: key.id,
        fields: request.update_mask.unwrap_or_default().paths,
        name: key.name,
        scopes: key.scopes,
        allowed_networks: key.allowed_networks,
        rate_limits: to_btree_map(key.rate_limits),
        metadata: to_btree_map(key.metadata),
        expires: timestamp_from_proto("key.expire_time", key.expire_time, violations),
        disabled: key.disabled,
        violations: Vec::new(),
    }
}

/// Converts a key from another system, which is entry `index` of its request, with its own violations.
pub(crate) fn import(index: usize, request: v1::ImportedKey) -> ImportKey {
    use v1::imported_key::Secret;

    let mut violations = Violations::default();
    let secret = request.secret.map(|secret| match secret {
        Secret::Value(value) => ImportSecret::Value(PlainKey::new(value)),
        Secret::Sha256(hash) => ImportSecret::Sha256(hash),
        Secret::Hash(v1::ImportedHash { algorithm, digest, secret }) => {
            ImportSecret::Hash(ImportedHash { algorithm, digest, secret })
        }
    });
    let key = create(request.key.unwrap_or_default(), &format!("keys[{index}].key."), &mut violations);
    let created =
        timestamp_from_proto(&format!("keys[{index}].create_time"), request.create_time, &mut violations);
    ImportKey {
        secret,
        key,
        created,
        disabled: request.disabled,
        prefix: request.prefix,
        hint: request.hint,
        violations: violations.into_violations(),
    }
}

/// Converts the result of an import. Keys that were only checked do not exist, so they have no identifier.
pub(crate) fn imported(result: &ImportedKeys, validate_only: bool, now: Timestamp) -> v1::ImportKeysResponse {
    let finding = |finding: &ImportFinding| v1::ImportFinding {
        index: i32::try_from(finding.index).unwrap_or(i32::MAX),
        field: finding.field.clone(),
        description: finding.description.clone(),
    };
    let key = |key: &KeyRecord| {
        let shown = to_proto(key, now);
        // No call has used a scope of a key that did not exist.
        let shown = v1::Key { unused_scopes: shown.scopes.clone(), ..shown };
        if validate_only { v1::Key { id: String::new(), ..shown } } else { shown }
    };
    v1::ImportKeysResponse {
        keys: result.keys.iter().map(key).collect(),
        warnings: result.warnings.iter().map(finding).collect(),
        errors: result.errors.iter().map(finding).collect(),
    }
}

/// Converts a key to its message, with its state at the time `now` and without its usage.
pub(crate) fn to_proto(key: &KeyRecord, now: Timestamp) -> v1::Key {
    let (revoke_time, revoke_reason) = match &key.lifecycle {
        KeyLifecycle::Revoked { at, reason } => (Some(timestamp_to_proto(*at)), reason.clone()),
        KeyLifecycle::Active | KeyLifecycle::Disabled => (None, String::new()),
    };
    v1::Key {
        id: key.id.to_string(),
        tenant_id: key.tenant.to_string(),
        name: key.name.clone(),
        kind: key.kind.to_string(),
        environment: key.environment.to_string(),
        prefix: key.prefix.to_string(),
        hint: key.hint.to_string(),
        scopes: key.scopes.iter().map(ToString::to_string).collect(),
        bindings: to_hash_map(&key.bindings),
        allowed_networks: key.networks.iter().map(ToString::to_string).collect(),
        rate_limits: key_limits(&key.limits),
        metadata: to_hash_map(&key.metadata),
        state: state(key.state(now)).into(),
        create_time: Some(timestamp_to_proto(key.created)),
        expire_time: key.expires.map(timestamp_to_proto),
        revoke_time,
        revoke_reason,
        last_use_time: None,
        created_by: key.created_by.clone(),
        value: String::new(),
        rotated_from: key.rotated_from.map(|id| id.to_string()).unwrap_or_default(),
        rotated_to: key.rotated_to.map(|id| id.to_string()).unwrap_or_default(),
        disabled: key.lifecycle == KeyLifecycle::Disabled,
        unused_scopes: Vec::new(),
        denied_by_profile: String::new(),
        removed_scopes: Vec::new(),
        rate_limits_beside_others: classes_beside_others(&key.limits),
    }
}

fn state(state: KeyState) -> v1::KeyState {
    match state {
        KeyState::Active => v1::KeyState::Active,
        KeyState::Expired => v1::KeyState::Expired,
        KeyState::Revoked => v1::KeyState::Revoked,
        KeyState::Disabled => v1::KeyState::Disabled,
    }
}

/// Returns a key's own limits in the form of a request. The buckets' owner is the key and is not written.
fn key_limits(limits: &LimitOverrides) -> HashMap<String, String> {
    let write =
        |all: &[(BucketOwner, Limit)]| all.iter().map(|(_, l)| limit(*l)).collect::<Vec<_>>().join("; ");
    limits.0.iter().map(|(class, all)| (class.to_string(), write(all))).collect()
}

/// Returns the classes of a key's own limits whose limit replaces no other.
fn classes_beside_others(limits: &LimitOverrides) -> Vec<String> {
    let classes = limits.0.keys().filter(|class| !limits.replaces(class));
    classes.map(ToString::to_string).collect()
}

/// Returns a limit in the form that `latchkey_core::limit::parse_key_limit` parses.
pub(super) fn limit(limit: Limit) -> String {
    limit.to_string()
}

#[cfg(test)]
mod tests {
    use latchkey_core::limit::parse_key_limit;

    use super::*;

    #[test]
    fn limits_are_written_as_they_are_read() {
        for text in ["300/min", "5000/min burst 500", "500/10s", "1/s", "9/h", "2/d burst 1", "2/d burst 2"] {
            assert_eq!(limit(parse_key_limit(text).unwrap()), text);
        }
    }

    #[test]
    fn every_wrong_field_of_an_import_is_named() {
        let never = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        let expiry = Some(v1::create_key_request::Expiry::ExpireTime(never));
        let key = Some(v1::CreateKeyRequest { expiry, ..Default::default() });
        let request = v1::ImportedKey { key, create_time: Some(never), ..Default::default() };
        let fields: Vec<String> = import(3, request).violations.into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["keys[3].key.expire_time", "keys[3].create_time"]);
    }
}
