//! A gate with one tenant and one key, a store that counts its queries and can be made unavailable, and a
//! clock that the test sets.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::cache::ReplicaCache;
use crate::enforcement::Enforcement;
use crate::error::SystemError;
use crate::gate::{Gate, GateParts};
use crate::id::TenantId;
use crate::imported_hash::ImportedHashes;
use crate::key_kind::{Encoding, ImportRules, KeyKind, Prefixes};
use crate::limit::local::LocalLimiter;
use crate::limit::{
    BucketAlgorithm, BucketOwner, BucketRule, ChargeCondition, NameMap, RateClasses, parse_key_limit,
};
use crate::policy::{AcceptedCredentials, Policy, UnmatchedRoute};
use crate::ports::{HashUse, HashUses, KeyStore, LookupResult, NoRenewal, Policies, ReadAt};
use crate::record::fixture::records;
use crate::record::{KeyRecord, TenantRecord};
use crate::route::{Pattern, Route, Routes};
use crate::scope::{ScopeEntry, ScopeRegistry};
use crate::secret::KeyHash;
use crate::time::{Clock, Moment, MonotonicInstant, Timestamp};
use crate::usage::UsageTracker;
use async_trait::async_trait;

/// Returns the n-th key. The store has the first.
pub(super) fn key(n: u32) -> String {
    format!("sk_live_{n:032x}")
}

pub(super) struct GateFixture {
    pub(super) gate: Gate<LocalLimiter>,
    pub(super) policy: Arc<Policy>,
    pub(super) store: Arc<FakeStore>,
    pub(super) cache: Arc<ReplicaCache>,
    pub(super) clock: Arc<FakeClock>,
    pub(super) usage: Arc<UsageTracker>,
}

impl GateFixture {
    pub(super) fn new(change: impl FnOnce(&mut KeyRecord, &mut TenantRecord)) -> Self {
        Self::with(|_| {}, change)
    }

    pub(super) fn with(
        rules: impl FnOnce(&mut Policy),
        change: impl FnOnce(&mut KeyRecord, &mut TenantRecord),
    ) -> Self {
        let mut policy = policy();
        rules(&mut policy);
        let policy = Arc::new(policy);
        let store = Arc::new(FakeStore::new());
        store.change(change);
        let cache = Arc::new(ReplicaCache::new(1 << 20));
        cache.extend_lease(MonotonicInstant(1_000));
        let clock = Arc::new(FakeClock(AtomicU64::new(0)));
        let usage = Arc::new(UsageTracker::new("here".into()));
        let gate = Gate::new(GateParts {
            store: Arc::clone(&store) as _,
            policies: Arc::new(SinglePolicy(Arc::clone(&policy))),
            limiter: LocalLimiter::new(),
            cache: Arc::clone(&cache),
            clock: Arc::clone(&clock) as _,
            usage: Arc::clone(&usage) as _,
            lease: Arc::new(NoRenewal),
        });
        Self { gate, policy, store, cache, clock, usage }
    }

    pub(super) fn queries(&self) -> usize {
        self.store.queries.load(Ordering::SeqCst)
    }
}

pub(super) struct FakeClock(AtomicU64);

impl FakeClock {
    pub(super) fn set_monotonic(&self, now: MonotonicInstant) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(2_000_000), monotonic: MonotonicInstant(self.0.load(Ordering::SeqCst)) }
    }
}

struct SinglePolicy(Arc<Policy>);

impl Policies for SinglePolicy {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        (*self.0.name == *name).then(|| Arc::clone(&self.0))
    }

    fn matches_key_format(&self, value: &str) -> bool {
        self.0.matches_key_format(value)
    }

    fn imported_hashes(&self, value: &str) -> ImportedHashes {
        self.0.imported_hashes(value)
    }
}

pub(super) struct FakeStore {
    records: Mutex<(KeyRecord, TenantRecord)>,
    /// Another key of the tenant.
    other: Mutex<Option<KeyRecord>>,
    /// Hashes of keys that were deleted.
    deleted: Mutex<Vec<KeyHash>>,
    queries: AtomicUsize,
    unavailable: AtomicBool,
}

impl FakeStore {
    pub(super) fn change(&self, change: impl FnOnce(&mut KeyRecord, &mut TenantRecord)) {
        let records = &mut *self.records.lock().unwrap();
        change(&mut records.0, &mut records.1);
    }

    /// Adds a key that differs from the first one as `change` says.
    pub(super) fn add(&self, change: impl FnOnce(&mut KeyRecord)) {
        let mut key = self.records.lock().unwrap().0.clone();
        change(&mut key);
        *self.other.lock().unwrap() = Some(key);
    }

    /// Deletes the key with this hash.
    pub(super) fn delete(&self, hash: KeyHash) {
        self.deleted.lock().unwrap().push(hash);
    }

    fn is_deleted(&self, hash: &KeyHash) -> bool {
        self.deleted.lock().unwrap().contains(hash)
    }

    pub(super) fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::SeqCst);
    }

    pub(super) fn tenant_id(&self) -> TenantId {
        self.records.lock().unwrap().1.id
    }

    fn new() -> Self {
        let records = Mutex::new(records());
        let (other, deleted, queries) = (Mutex::default(), Mutex::default(), AtomicUsize::new(0));
        Self { records, other, deleted, queries, unavailable: AtomicBool::new(false) }
    }
}

#[async_trait]
impl KeyStore for FakeStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(SystemError::database());
        }
        self.queries.fetch_add(1, Ordering::SeqCst);
        // Other tasks run while this query is under way.
        tokio::task::yield_now().await;
        let (key, tenant) = self.records.lock().unwrap().clone();
        let keys = std::iter::once(key).chain(self.other.lock().unwrap().clone());
        let mut keys = keys.filter(|key| !self.is_deleted(&key.hash));
        let entry = keys.find(|key| key.hash == *hash).map(|key| (key, tenant));
        Ok(LookupResult { entry, read_at: ReadAt::revision(9) })
    }

    async fn uses_of_hashes(&self, hashes: &[KeyHash]) -> Result<HashUses, SystemError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        let use_of = |hash| if self.is_deleted(hash) { HashUse::Deleted } else { HashUse::Never };
        Ok(HashUses { uses: hashes.iter().map(use_of).collect(), read_at: ReadAt::revision(9) })
    }
}

pub(crate) fn policy() -> Policy {
    let entry = |name: &str, aliases: &[&str]| ScopeEntry {
        name: name.into(),
        description: "".into(),
        aliases: aliases.iter().map(|a| (*a).into()).collect(),
        enforce: Enforcement::Enforced,
    };
    let scopes = ScopeRegistry::new(vec![entry("items.read", &["items.view"]), entry("admin", &[])]).unwrap();
    let kind = KeyKind {
        name: "secret".into(),
        default: true,
        prefixes: Prefixes::PerEnvironment(vec![
            ("live".into(), "sk_live_".into()),
            ("test".into(), "sk_test_".into()),
        ]),
        encoding: Encoding::Hex,
        characters: 32,
        checksum: false,
        retrievable: false,
        bindings: vec![],
        max_scopes: scopes.all(),
        default_scopes: scopes.all(),
        creates_keys_in: Vec::new(),
        lifetime: crate::key_kind::LifetimeRules::default(),
        imports: ImportRules::default(),
    };
    let rule = |per, limit: &str, when| BucketRule {
        per,
        limit: parse_key_limit(limit).unwrap(),
        algorithm: BucketAlgorithm::SlidingWindow,
        when,
        mode: None,
    };
    let rules = vec![
        rule(BucketOwner::Key, "10/min", ChargeCondition::Allowed),
        rule(BucketOwner::Ip, "3/min", ChargeCondition::Unauthenticated),
    ];
    Policy {
        name: "p".into(),
        version: 1,
        enforce: Enforcement::Enforced,
        accepts: AcceptedCredentials { key: true, jwt: true },
        tenant_required: false,
        environments: vec!["live".into(), "test".into()],
        kinds: vec![kind],
        routes: Routes::new(routes(&scopes)),
        scopes,
        unmatched: UnmatchedRoute::Deny,
        classes: RateClasses::new("p", BTreeMap::from([("default".into(), rules)])),
        plans: NameMap::default(),
        tokens: None,
        roles: HashMap::new(),
        min_password_length: 15,
        resources: Vec::new(),
        request_id_prefix: None,
    }
}

pub(super) fn routes(scopes: &ScopeRegistry) -> Vec<Route> {
    let set = |names: &[&str]| scopes.resolve(names);
    let route = |path: &str, all: &[&str], any: &[&str]| Route {
        pattern: Pattern::parse(path).unwrap(),
        methods: vec![],
        scopes: set(all),
        any_scopes: set(any),
        kinds: vec![],
        resource: vec![],
        class: None,
        public: false,
        encoded_slash: false,
        enforce: Enforcement::Enforced,
    };
    let mut publishable = route("/v1/publishable", &[], &[]);
    publishable.kinds = vec!["publishable".into()];
    let mut merchant = route("/v1/merchants/{id}", &[], &[]);
    merchant.resource = vec![("merchant".into(), 2.into())];
    let mut open = route("/open", &[], &[]);
    open.public = true;
    vec![
        route("/v1/items", &["items.read"], &[]),
        route("/v1/admin", &["admin", "items.read"], &[]),
        route("/v1/either", &[], &["admin", "items.read"]),
        route("/v1/neither", &[], &["admin"]),
        publishable,
        merchant,
        open,
    ]
}
