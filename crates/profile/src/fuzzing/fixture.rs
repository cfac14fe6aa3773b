//! A key that a decision was about, with values that its manager chose.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::cache::Cached;
use latchkey_core::decision::DecisionContext;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use uuid::Uuid;

/// 2024-06-01T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_717_200_000_000);

/// Returns the context of a decision for a key with this name, which is a value of its metadata too.
pub(super) fn context(policy: &Arc<Policy>, name: &str) -> DecisionContext {
    let tenant = tenant(policy);
    let key = Cached::key(key(name), &tenant);
    let principal = Principal::from_key(Arc::new(tenant), key, Some(policy));
    DecisionContext { principal: Some(principal), policy: Some(policy.clone()), ..DecisionContext::default() }
}

fn tenant(policy: &Policy) -> TenantRecord {
    TenantRecord {
        id: TenantId(Uuid::from_u128(9)),
        slug: "acme".into(),
        display_name: "Acme".into(),
        profile: (*policy.name).into(),
        plan: None,
        suspended: false,
        created: NOW,
        limits: LimitOverrides::default(),
        revision: 1,
    }
}

fn key(name: &str) -> KeyRecord {
    KeyRecord {
        id: KeyId(Uuid::from_u128(7)),
        tenant: TenantId(Uuid::from_u128(9)),
        hash: KeyHash([0; 32]),
        name: name.into(),
        kind: "secret".into(),
        environment: "live".into(),
        prefix: "sk_".into(),
        hint: "abcd".into(),
        scopes: vec![],
        bindings: BTreeMap::from([("merchant".into(), name.into())]),
        networks: vec![],
        limits: LimitOverrides::default(),
        metadata: BTreeMap::from([("team".into(), name.into())]),
        lifecycle: KeyLifecycle::Active,
        created: NOW,
        created_by: "key_0".into(),
        expires: None,
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 1,
    }
}
