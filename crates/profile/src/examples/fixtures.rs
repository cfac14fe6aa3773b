//! Fixtures of examples: a gate with one key in memory, at a fixed time.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::SystemError;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::key_kind::{KeyKind, checksum};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::policy::Policy;
use latchkey_core::ports::usage::NoopUsageLog;
use latchkey_core::ports::{HashUse, HashUses, KeyStore, LookupResult, NoRenewal, Policies, ReadAt};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use uuid::Uuid;

use super::{FixtureState, KeyFixture};

/// 2026-01-01T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_767_225_600_000);
/// 2025-01-01T00:00:00Z.
const EXPIRED_AT: Timestamp = Timestamp(1_735_689_600_000);

/// The identifier of an example's key.
pub(super) const KEY_ID: KeyId = KeyId(Uuid::from_u128(2));
/// The default tenant of an example.
pub(crate) const TENANT: &str = "acme";

/// Returns the value of an example's key.
pub(super) fn key_value(sender: &KeyFixture, kind: &KeyKind) -> String {
    if let Some(pattern) = kind.imports.pattern.as_ref().filter(|_| kind.imports.only) {
        return pattern.example().to_owned();
    }
    let mut value = kind.prefixes.of(&sender.environment).unwrap_or_default().to_owned();
    value.extend(std::iter::repeat_n('a', kind.characters));
    if kind.checksum {
        let sum = checksum(&value);
        value.extend(sum.map(char::from));
    }
    value
}

/// Creates a gate with at most one key.
pub(super) fn gate(policy: &Arc<Policy>, known: Option<(KeyRecord, TenantRecord)>) -> Gate<LocalLimiter> {
    let cache = ReplicaCache::new(1 << 20);
    cache.extend_lease(MonotonicInstant(u64::MAX));
    Gate::new(GateParts {
        store: Arc::new(OneKey(known)),
        policies: Arc::new(OnePolicy(policy.clone())),
        limiter: LocalLimiter::new(),
        cache: Arc::new(cache),
        clock: Arc::new(FixedClock),
        usage: Arc::new(NoopUsageLog),
        lease: Arc::new(NoRenewal),
    })
}

/// Returns the key of an example and its tenant.
pub(super) fn key_and_tenant(
    sender: &KeyFixture,
    policy: &Policy,
    kind: &KeyKind,
) -> (KeyRecord, TenantRecord) {
    let tenant = TenantId(Uuid::from_u128(1));
    let granted = match &sender.scopes {
        Some(names) => policy.scopes.resolve(names),
        None => kind.default_scopes.clone(),
    };
    let value = key_value(sender, kind);
    let key = KeyRecord {
        id: KEY_ID,
        tenant,
        hash: KeyHash::of(&value),
        name: sender.name.to_string(),
        kind: kind.name.clone(),
        environment: sender.environment.clone(),
        prefix: kind.prefixes.of(&sender.environment).unwrap_or_default().into(),
        hint: PlainKey::new(value.clone()).hint().into(),
        scopes: policy.scopes.names(&granted).map(Into::into).collect(),
        bindings: sender.bindings.clone(),
        networks: Vec::new(),
        limits: LimitOverrides::default(),
        metadata: std::collections::BTreeMap::new(),
        lifecycle: lifecycle(sender.state),
        created: Timestamp(0),
        created_by: "example".to_owned(),
        expires: (sender.state == FixtureState::Expired).then_some(EXPIRED_AT),
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 1,
    };
    let tenant = TenantRecord {
        id: tenant,
        slug: sender.tenant.clone(),
        display_name: sender.tenant.to_string(),
        profile: (&*policy.name).into(),
        plan: sender.plan.clone(),
        suspended: false,
        created: Timestamp(0),
        limits: LimitOverrides::default(),
        revision: 1,
    };
    (key, tenant)
}

fn lifecycle(state: FixtureState) -> KeyLifecycle {
    match state {
        FixtureState::Active | FixtureState::Expired => KeyLifecycle::Active,
        FixtureState::Disabled => KeyLifecycle::Disabled,
        FixtureState::Revoked => KeyLifecycle::Revoked { at: EXPIRED_AT, reason: String::new() },
    }
}

struct OneKey(Option<(KeyRecord, TenantRecord)>);

#[async_trait]
impl KeyStore for OneKey {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        let known = self.0.as_ref().filter(|(key, _)| key.hash == *hash).cloned();
        Ok(LookupResult { entry: known, read_at: ReadAt::revision(1) })
    }

    async fn uses_of_hashes(&self, hashes: &[KeyHash]) -> Result<HashUses, SystemError> {
        let is_known = |hash: &KeyHash| self.0.as_ref().is_some_and(|(key, _)| key.hash == *hash);
        let use_of = |hash| if is_known(hash) { HashUse::Present } else { HashUse::Never };
        Ok(HashUses { uses: hashes.iter().map(use_of).collect(), read_at: ReadAt::revision(1) })
    }
}

struct OnePolicy(Arc<Policy>);

impl Policies for OnePolicy {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        (*self.0.name == *name).then(|| self.0.clone())
    }

    fn matches_key_format(&self, value: &str) -> bool {
        self.0.matches_key_format(value)
    }
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: NOW, monotonic: MonotonicInstant(0) }
    }
}
