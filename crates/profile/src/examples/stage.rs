//! What an example is played on: a gate with one key, in memory, at a time that stands still.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::kind::{Kind, checksum};
use latchkey_core::limit::Overrides;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::memory::Memory;
use latchkey_core::policy::Policy;
use latchkey_core::ports::usage::Unnoted;
use latchkey_core::ports::{Found, KeyStore, Policies};
use latchkey_core::record::{KeyLife, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{Clock, Moment, Tick, Timestamp};
use latchkey_core::trouble::Trouble;
use uuid::Uuid;

use super::{KeyPart, Life};

/// 2026-01-01T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_767_225_600_000);
/// 2025-01-01T00:00:00Z.
const PAST: Timestamp = Timestamp(1_735_689_600_000);

/// The identifier of an example's key.
pub(super) const KEY: KeyId = KeyId(Uuid::from_u128(2));
/// The tenant where an example names none.
pub(crate) const TENANT: &str = "acme";

/// The value of an example's key.
pub(super) fn value(who: &KeyPart, kind: &Kind) -> String {
    let mut value = kind.prefixes.of(&who.environment).unwrap_or_default().to_owned();
    value.extend(std::iter::repeat_n('a', kind.encoding.characters(kind.bytes)));
    if kind.checksum {
        let sum = checksum(&value);
        value.extend(sum.map(char::from));
    }
    value
}

/// A gate that knows this one's key, or none.
pub(super) fn gate(policy: &Arc<Policy>, known: Option<(KeyRecord, TenantRecord)>) -> Gate<LocalLimiter> {
    Gate::new(GateParts {
        store: Arc::new(OneKey(known)),
        policies: Arc::new(OnePolicy(policy.clone())),
        limiter: LocalLimiter::new(),
        memory: Arc::new(Memory::new(1 << 20)),
        clock: Arc::new(Still),
        usage: Arc::new(Unnoted),
    })
}

/// The key of an example, and its tenant.
pub(super) fn known(who: &KeyPart, policy: &Policy, kind: &Kind) -> (KeyRecord, TenantRecord) {
    let tenant = TenantId(Uuid::from_u128(1));
    let granted = match &who.scopes {
        Some(names) => policy.scopes.known(names),
        None => kind.default_scopes.clone(),
    };
    let value = value(who, kind);
    let key = KeyRecord {
        id: KEY,
        tenant,
        hash: KeyHash::of(&value),
        name: who.name.to_string(),
        kind: kind.name.clone(),
        environment: who.environment.clone(),
        prefix: kind.prefixes.of(&who.environment).unwrap_or_default().into(),
        hint: "aaaa".into(),
        scopes: policy.scopes.names(&granted).map(Into::into).collect(),
        bindings: who.bindings.clone(),
        networks: Vec::new(),
        limits: Overrides::default(),
        metadata: std::collections::BTreeMap::new(),
        life: life(who.life),
        created: Timestamp(0),
        created_by: "example".to_owned(),
        expires: (who.life == Life::Expired).then_some(PAST),
        rotated_from: None,
        rotated_to: None,
        sealed: None,
        last_used: None,
        revision: 1,
    };
    let tenant = TenantRecord {
        id: tenant,
        slug: who.tenant.clone(),
        display_name: who.tenant.to_string(),
        profile: (&*policy.name).into(),
        plan: who.plan.clone(),
        suspended: false,
        created: Timestamp(0),
        limits: Overrides::default(),
        revision: 1,
    };
    (key, tenant)
}

fn life(life: Life) -> KeyLife {
    match life {
        Life::Active | Life::Expired => KeyLife::Active,
        Life::Disabled => KeyLife::Disabled,
        Life::Revoked => KeyLife::Revoked { at: PAST, reason: String::new() },
    }
}

struct OneKey(Option<(KeyRecord, TenantRecord)>);

#[async_trait]
impl KeyStore for OneKey {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        let known = self.0.as_ref().filter(|(key, _)| key.hash == *hash).cloned();
        Ok(Found { known, revision: 1 })
    }
}

struct OnePolicy(Arc<Policy>);

impl Policies for OnePolicy {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        (*self.0.name == *name).then(|| self.0.clone())
    }

    fn recognises(&self, value: &str) -> bool {
        self.0.recognises(value)
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment { wall: NOW, tick: Tick(0) }
    }
}
