//! A gate with one tenant and one key, a store that counts its queries and can break down, and a clock that
//! is moved by hand.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::enforce::Enforce;
use crate::gate::{Gate, GateParts};
use crate::id::TenantId;
use crate::kind::{Encoding, Kind, Prefixes};
use crate::limit::local::LocalLimiter;
use crate::limit::{Algorithm, Classes, Named, Per, Rule, When, parse_key_limit};
use crate::memory::Memory;
use crate::policy::{Accepts, Policy, Unmatched};
use crate::ports::{Found, KeyStore, Policies};
use crate::record::fixture::records;
use crate::record::{KeyRecord, TenantRecord};
use crate::route::{Pattern, Route, Routes};
use crate::scope::{Catalogue, ScopeEntry};
use crate::secret::KeyHash;
use crate::time::{Clock, Moment, Tick, Timestamp};
use crate::trouble::Trouble;
use crate::usage::Usage;
use async_trait::async_trait;

/// The n-th key; the store knows the first.
pub(super) fn key(n: u32) -> String {
    format!("sk_live_{n:032x}")
}

pub(super) struct World {
    pub(super) gate: Gate<LocalLimiter>,
    pub(super) policy: Arc<Policy>,
    pub(super) store: Arc<FakeStore>,
    pub(super) memory: Arc<Memory>,
    pub(super) clock: Arc<FakeClock>,
    pub(super) usage: Arc<Usage>,
}

impl World {
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
        let memory = Arc::new(Memory::new(1 << 20));
        memory.trust_until(Tick(1_000));
        let clock = Arc::new(FakeClock(AtomicU64::new(0)));
        let usage = Arc::new(Usage::new("here".into()));
        let gate = Gate::new(GateParts {
            store: Arc::clone(&store) as _,
            policies: Arc::new(One(Arc::clone(&policy))),
            limiter: LocalLimiter::new(),
            memory: Arc::clone(&memory),
            clock: Arc::clone(&clock) as _,
            usage: Arc::clone(&usage) as _,
        });
        Self { gate, policy, store, memory, clock, usage }
    }

    pub(super) fn queries(&self) -> usize {
        self.store.queries.load(Ordering::SeqCst)
    }
}

pub(super) struct FakeClock(AtomicU64);

impl FakeClock {
    pub(super) fn set_tick(&self, tick: Tick) {
        self.0.store(tick.0, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(2_000_000), tick: Tick(self.0.load(Ordering::SeqCst)) }
    }
}

struct One(Arc<Policy>);

impl Policies for One {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        (*self.0.name == *name).then(|| Arc::clone(&self.0))
    }

    fn recognises(&self, value: &str) -> bool {
        self.0.recognises(value)
    }
}

pub(super) struct FakeStore {
    known: Mutex<(KeyRecord, TenantRecord)>,
    queries: AtomicUsize,
    broken: AtomicBool,
}

impl FakeStore {
    pub(super) fn change(&self, change: impl FnOnce(&mut KeyRecord, &mut TenantRecord)) {
        let known = &mut *self.known.lock().unwrap();
        change(&mut known.0, &mut known.1);
    }

    pub(super) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    pub(super) fn tenant_id(&self) -> TenantId {
        self.known.lock().unwrap().1.id
    }

    fn new() -> Self {
        let known = Mutex::new(records());
        Self { known, queries: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }
}

#[async_trait]
impl KeyStore for FakeStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Trouble::database());
        }
        self.queries.fetch_add(1, Ordering::SeqCst);
        // Others get their turn while this one is under way.
        tokio::task::yield_now().await;
        let known = self.known.lock().unwrap().clone();
        Ok(Found { known: Some(known).filter(|(key, _)| key.hash == *hash), revision: 9 })
    }
}

pub(crate) fn policy() -> Policy {
    let entry = |name: &str, aliases: &[&str]| ScopeEntry {
        name: name.into(),
        description: "".into(),
        aliases: aliases.iter().map(|a| (*a).into()).collect(),
        enforce: Enforce::On,
    };
    let scopes = Catalogue::new(vec![entry("items.read", &["items.view"]), entry("admin", &[])]).unwrap();
    let kind = Kind {
        name: "secret".into(),
        default: true,
        prefixes: Prefixes::Each(vec![
            ("live".into(), "sk_live_".into()),
            ("test".into(), "sk_test_".into()),
        ]),
        encoding: Encoding::Hex,
        bytes: 16,
        checksum: false,
        retrievable: false,
        bindings: vec![],
        most: scopes.all(),
        default_scopes: scopes.all(),
        makes_keys_in: Vec::new(),
    };
    let rule = |per, limit: &str, when| Rule {
        per,
        limit: parse_key_limit(limit).unwrap(),
        algorithm: Algorithm::TokenBucket,
        when,
        mode: None,
    };
    let rules = vec![rule(Per::Key, "10/min", When::Allowed), rule(Per::Ip, "3/min", When::Unauthenticated)];
    Policy {
        name: "p".into(),
        version: 1,
        enforce: Enforce::On,
        accepts: Accepts { key: true, jwt: true },
        tenant_required: false,
        environments: vec!["live".into(), "test".into()],
        kinds: vec![kind],
        routes: Routes::new(routes(&scopes)),
        scopes,
        unmatched: Unmatched::Deny,
        classes: Classes::new("p", BTreeMap::from([("default".into(), rules)])),
        plans: Named::default(),
        tokens: None,
        roles: HashMap::new(),
        password_length: 15,
    }
}

pub(super) fn routes(scopes: &Catalogue) -> Vec<Route> {
    let set = |names: &[&str]| scopes.known(names);
    let route = |path: &str, all: &[&str], any: &[&str]| Route {
        pattern: Pattern::parse(path).unwrap(),
        methods: vec![],
        scopes: set(all),
        any_scopes: set(any),
        kinds: vec![],
        resource: vec![],
        class: None,
        public: false,
        enforce: Enforce::On,
    };
    let mut publishable = route("/v1/publishable", &[], &[]);
    publishable.kinds = vec!["publishable".into()];
    let mut merchant = route("/v1/merchants/{id}", &[], &[]);
    merchant.resource = vec![("merchant".into(), 2)];
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
