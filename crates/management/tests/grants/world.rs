//! A tenant with a caller and some keys, each of a random shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchkey_core::cache::Cached;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::{BucketOwner, LimitOverrides, parse_key_limit};
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::seal::Sealer;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_management::{Caller, ManagementService, ManagementServiceParts};
use latchkey_profile::Profile;
use proptest::prelude::*;
use rand::SeedableRng as _;
use uuid::Uuid;

use crate::store::MemoryStore;

pub(crate) const NOW: Timestamp = Timestamp(1_000_000_000);

const DOCUMENT: &str = r#"
name = "p"
[resource]
merchant = "header:x-merchant-id"
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
makes_keys_in = { live = ["test"] }
[[kinds]]
name = "public"
prefixes = { live = "pk_live_", test = "pk_test_" }
retrievable = true
scopes = ["a"]
[[kinds]]
name = "admin"
prefixes = { live = "ak_live_", test = "ak_test_" }
[[scopes]]
name = "a"
[[scopes]]
name = "b"
[[scopes]]
name = "api_keys.manage"
[[scopes]]
name = "api_keys.revive"
[[roles]]
name = "reader"
scopes = ["a"]
[[roles]]
name = "writer"
scopes = ["a", "b"]
[[roles]]
name = "manager"
scopes = ["a", "api_keys.manage"]
[[routes]]
path = "/admin"
kinds = ["admin"]
[[routes]]
path = "/**"
any_scopes = ["a", "b"]
[rate_limits]
default = [{ per = "key", rate = "10/min" }]
"#;

/// Properties of a key.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) kind: &'static str,
    pub(crate) environment: &'static str,
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) binding: Option<&'static str>,
    /// Milliseconds from now to the expiry; negative for an expired key.
    pub(crate) expires: Option<i64>,
    pub(crate) network: Option<&'static str>,
    pub(crate) limit: Option<&'static str>,
    pub(crate) disabled: bool,
    pub(crate) revive: bool,
}

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let kind = prop_oneof![3 => Just("secret"), 2 => Just("public"), 1 => Just("admin")];
    let environment = prop::sample::select(vec!["live", "test"]);
    let scopes = prop::sample::subsequence(vec!["a", "b"], 0..=2);
    let binding = prop::sample::select(vec![None, None, Some("m_1"), Some("m_2")]);
    let expires = prop::sample::select(vec![None, None, Some(-5), Some(1_000), Some(2_000)]);
    let network = prop::sample::select(vec![None, None, Some("10.0.0.0/8"), Some("10.1.0.0/16")]);
    let limit = prop::sample::select(vec![None, None, Some("5/min"), Some("20/min")]);
    let all = (kind, environment, scopes, binding, expires, network, limit, any::<bool>(), any::<bool>());
    all.prop_map(|(kind, environment, scopes, binding, expires, network, limit, disabled, revive)| Shape {
        kind,
        environment,
        scopes,
        binding,
        expires,
        network,
        limit,
        disabled,
        revive,
    })
}

/// Returns the limits of a key as a request writes them.
pub(crate) fn limit_texts(limits: &LimitOverrides) -> BTreeMap<String, String> {
    let text = |all: &Vec<(BucketOwner, latchkey_core::limit::Limit)>| format!("{}/min", all[0].1.tokens);
    limits.0.iter().map(|(class, all)| (class.to_string(), text(all))).collect()
}

struct OnePolicy(Arc<Policy>);

impl Policies for OnePolicy {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        (*self.0.name == *name).then(|| Arc::clone(&self.0))
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

/// Returns a generator with another seed for each call.
pub(crate) fn generator() -> rand::rngs::StdRng {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    rand::rngs::StdRng::seed_from_u64(CALLS.fetch_add(1, Ordering::Relaxed))
}

/// A service, a caller that manages keys, and the keys of its tenant.
pub(crate) struct World {
    pub(crate) service: Arc<ManagementService>,
    pub(crate) caller: Caller,
    pub(crate) own: KeyRecord,
    store: Arc<MemoryStore>,
    sealer: Arc<Sealer>,
    ids: Vec<KeyId>,
}

impl World {
    pub(crate) fn new(own: &Shape, keys: &[Shape]) -> Self {
        let policy = Arc::clone(&Profile::compile(DOCUMENT, 1).unwrap().policy);
        let tenant = TenantRecord {
            id: TenantId(Uuid::from_u128(1)),
            slug: "acme".into(),
            display_name: String::new(),
            profile: "p".into(),
            plan: None,
            suspended: false,
            created: Timestamp(0),
            limits: LimitOverrides::default(),
            revision: 0,
        };
        let store = Arc::new(MemoryStore { tenant: tenant.clone(), keys: Vec::new().into() });
        let sealer = Arc::new(Sealer::new(&[7; 32]));
        let service = Arc::new(ManagementService::new(ManagementServiceParts {
            store: store.clone(),
            policies: Arc::new(OnePolicy(Arc::clone(&policy))),
            propagation: store.clone(),
            clock: Arc::new(FixedClock),
            sealer: Arc::clone(&sealer),
            random: Arc::new(generator),
        }));
        // A caller is in force, and has the scope to manage keys. A public key can't have it.
        let kind = if own.kind == "public" { "secret" } else { own.kind };
        let own = Shape { kind, disabled: false, expires: own.expires.filter(|ms| *ms > 0), ..own.clone() };
        let (ids, revive) = (Vec::new(), own.revive);
        let mut record = record(&own, KeyId(Uuid::from_u128(2)));
        record.scopes.push("api_keys.manage".into());
        record.scopes.extend(revive.then(|| "api_keys.revive".into()));
        let key = Cached::key(record.clone(), &tenant);
        let caller = Caller::from(Principal::from_key(Arc::new(tenant), key, Some(&policy)));
        let mut world = Self { service, caller, own: record, store, sealer, ids };
        for shape in keys {
            let key = world.key_of(shape);
            world.ids.push(key.id);
            world.store.keys.lock().unwrap().push(key);
        }
        world
    }

    /// Returns a key of this shape, which is not stored.
    pub(crate) fn key_of(&self, shape: &Shape) -> KeyRecord {
        let mut random = generator();
        let id = KeyId::new(NOW, &mut random);
        let mut key = record(shape, id);
        if &*key.kind == "public" {
            key.scopes.retain(|scope| &**scope == "a");
            let value = b"pk_live_value";
            key.sealed = Some(self.sealer.seal(value, &id.to_string(), &mut random).unwrap());
        }
        key
    }

    /// Returns the stored key at an index, as it is now.
    pub(crate) fn stored(&self, index: usize) -> KeyRecord {
        self.all().into_iter().find(|key| key.id == self.ids[index]).unwrap()
    }

    pub(crate) fn all(&self) -> Vec<KeyRecord> {
        self.store.keys.lock().unwrap().clone()
    }
}

fn record(shape: &Shape, id: KeyId) -> KeyRecord {
    let limit = |text: &&str| ("default".into(), vec![(BucketOwner::Key, parse_key_limit(text).unwrap())]);
    KeyRecord {
        id,
        tenant: TenantId(Uuid::from_u128(1)),
        hash: KeyHash::of(&id.to_string()),
        name: "key".to_owned(),
        kind: shape.kind.into(),
        environment: shape.environment.into(),
        prefix: "".into(),
        hint: "".into(),
        scopes: shape.scopes.iter().map(|&scope| scope.into()).collect(),
        bindings: shape.binding.map(|id| ("merchant".to_owned(), id.to_owned())).into_iter().collect(),
        networks: shape.network.iter().map(|text| text.parse().unwrap()).collect(),
        limits: LimitOverrides(shape.limit.iter().map(limit).collect(), BTreeSet::new()),
        metadata: BTreeMap::new(),
        lifecycle: if shape.disabled { KeyLifecycle::Disabled } else { KeyLifecycle::Active },
        created: Timestamp(0),
        created_by: String::new(),
        expires: shape.expires.map(|ms| Timestamp(NOW.0 + ms)),
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 0,
    }
}
