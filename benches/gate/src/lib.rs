//! A gate over keys in memory, for measuring: PayKore's own profile, a million keys, and a store that is
//! asked once a key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::access::Access;
use latchkey_core::decision::Verdict;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::Overrides;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::memory::Memory;
use latchkey_core::ports::{Found, KeyStore, Policies};
use latchkey_core::record::{KeyLife, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{Clock, Moment, Tick, Timestamp};
use latchkey_core::trouble::Trouble;
use latchkey_core::usage::Usage;
use latchkey_profile::{Catalog, Profile};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// PayKore's profile with a limit that no benchmark reaches.
const DOCUMENT: &str = include_str!("../../../profiles/paykore.toml");

/// A gate and what it is asked with.
pub struct World {
    /// The gate.
    pub gate: Gate<LocalLimiter>,
    /// The profiles in force: PayKore's.
    pub catalog: Arc<Catalog>,
    /// The n-th key's value.
    pub values: Vec<String>,
}

impl World {
    /// With so many keys, each of which has been asked for once.
    ///
    /// # Panics
    /// When the profile that ships does not compile.
    pub async fn with_keys(count: usize) -> Self {
        let catalog = Arc::new(Catalog::new());
        let document = DOCUMENT.replace("300/min", "1000000000/s").replace("1000/min", "1000000000/s");
        let Ok(profile) = Profile::compile(&document, 1) else { panic!("the profile does not compile") };
        let policy = Arc::clone(&profile.policy);
        catalog.replace_all(vec![profile]);
        let values: Vec<String> = (0..count).map(|n| format!("sk_live_{n:064x}")).collect();
        let memory = Arc::new(Memory::new(count.max(16) * 2, 1_000));
        memory.trust_until(Tick(u64::MAX));
        let gate = Gate::new(GateParts {
            store: Arc::new(Keys::of(&values)),
            policies: Arc::clone(&catalog) as Arc<dyn Policies>,
            limiter: LocalLimiter::new(),
            memory,
            clock: Arc::new(Still),
            usage: Arc::new(Usage::new("bench".into())),
        });
        for value in &values {
            let credential = latchkey_core::access::Presented::of(value);
            // Looking alone: no bucket is made.
            let access = Access { credential, cost: 0, ..Access::default() };
            let verdict: Result<Verdict, Trouble> = gate.check(Some(&policy), &access).await;
            assert!(verdict.is_ok_and(|v| v.denied().is_none()), "a good key was denied");
        }
        Self { gate, catalog, values }
    }
}

/// A clock that stands still: reading the real one is measured with the server.
struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1_800_000_000_000), tick: Tick(1) }
    }
}

struct Keys {
    tenant: TenantRecord,
    known: HashMap<KeyHash, KeyId>,
}

impl Keys {
    fn of(values: &[String]) -> Self {
        let mut random = StdRng::from_seed([7; 32]);
        let tenant = TenantRecord {
            id: TenantId::new(Timestamp(1), &mut random),
            slug: "acme".into(),
            display_name: "Acme".into(),
            profile: "paykore".into(),
            plan: Some("starter".into()),
            suspended: false,
            created: Timestamp(1),
            limits: Overrides::default(),
            revision: 1,
        };
        let id = |value: &String| (KeyHash::of(value), KeyId::new(Timestamp(1), &mut random));
        Self { tenant, known: values.iter().map(id).collect() }
    }
}

#[async_trait]
impl KeyStore for Keys {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        let record = self.known.get(hash).map(|id| KeyRecord {
            id: *id,
            tenant: self.tenant.id,
            hash: *hash,
            name: "bench".into(),
            kind: "secret".into(),
            environment: "live".into(),
            prefix: "sk_live_".into(),
            hint: "0000".into(),
            scopes: vec![],
            bindings: BTreeMap::new(),
            networks: vec![],
            limits: Overrides::default(),
            metadata: BTreeMap::new(),
            life: KeyLife::Active,
            created: Timestamp(1),
            created_by: "bench".into(),
            expires: None,
            rotated_from: None,
            rotated_to: None,
            sealed: None,
            last_used: None,
            revision: 1,
        });
        Ok(Found { known: record.map(|key| (key, self.tenant.clone())), revision: 1 })
    }
}
