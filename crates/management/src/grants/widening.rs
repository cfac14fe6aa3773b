//! Comparison of a key before and after a change: whether it can do more afterwards in any respect.

use ipnet::IpNet;
use latchkey_core::limit::CountedLimit;
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::scope::ScopeRegistry;
use latchkey_core::time::Timestamp;

/// Returns whether a key can do anything after a change that it could not do before. `known` has the
/// scopes of the profile, and `limits_of` returns the limits that apply to a key in a rate class. Every field is named here,
/// so that a new one cannot be forgotten.
pub(super) fn is_wider(
    before: &KeyRecord,
    after: &KeyRecord,
    known: &ScopeRegistry,
    limits_of: impl Fn(&str, &KeyRecord) -> Vec<CountedLimit>,
) -> bool {
    let KeyRecord {
        id,
        tenant,
        hash,
        kind,
        environment,
        prefix,
        bucket_key,
        scopes,
        bindings,
        networks,
        limits,
        lifecycle,
        expires,
        sealed,
        // Names and labels grant nothing, and the others record what happened to the key.
        name: _,
        hint: _,
        metadata: _,
        created: _,
        created_by: _,
        rotated_from: _,
        rotated_to: _,
        last_used: _,
        revision: _,
    } = after;
    let identity = (id, tenant, hash, kind, environment, prefix);
    let same = (&before.id, &before.tenant, &before.hash, &before.kind, &before.environment, &before.prefix);
    let identity = (identity, bucket_key);
    let same = (same, &before.bucket_key);
    let mut classes = before.limits.0.keys().chain(limits.0.keys());
    identity != same
        || (sealed.is_some() && before.sealed != *sealed)
        || scopes.iter().any(|scope| !has_scope(before, scope, known))
        || before.bindings.iter().any(|(name, value)| bindings.get(name) != Some(value))
        || !networks_within(networks, &before.networks)
        || activity(lifecycle) > activity(&before.lifecycle)
        || end(*expires) > end(before.expires)
        || classes.any(|class| admits_more(&limits_of(class, after), &limits_of(class, before)))
}

/// Returns whether a key has a scope, by this name or by another one of the same scope: a key keeps the names that it was
/// granted, and a later version of the profile can have them as aliases.
fn has_scope(key: &KeyRecord, name: &str, known: &ScopeRegistry) -> bool {
    let scope = known.find(name);
    key.scopes.iter().any(|own| **own == *name || (scope.is_some() && known.find(own) == scope))
}

/// Returns whether all of these networks are within others. No networks at all stand for every address.
pub(super) fn networks_within(networks: &[IpNet], others: &[IpNet]) -> bool {
    let inside = |network: &IpNet| others.iter().any(|other| other.contains(network));
    others.is_empty() || (!networks.is_empty() && networks.iter().all(inside))
}

/// Returns whether limits admit more than others: each of the others must be kept by one of them.
pub(super) fn admits_more(requested: &[CountedLimit], own: &[CountedLimit]) -> bool {
    own.iter().any(|own| requested.iter().all(|requested| requested.can_exceed(*own)))
}

/// Returns the rank of a lifecycle: the higher, the more the key can be used.
fn activity(lifecycle: &KeyLifecycle) -> u8 {
    match lifecycle {
        KeyLifecycle::Revoked { .. } => 0,
        KeyLifecycle::Disabled => 1,
        KeyLifecycle::Active => 2,
    }
}

fn end(expires: Option<Timestamp>) -> Timestamp {
    expires.unwrap_or(Timestamp(i64::MAX))
}
