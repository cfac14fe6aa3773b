//! Tests of revocation with faulty replicas. A replica that trusts its cache beyond its lease admits a revoked key,
//! and the test notices it, which shows that the test can fail. Also tests the race of a cache fill against a change.

use std::sync::atomic::AtomicBool;

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::KeyId;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::ports::usage::NoopUsageLog;
use latchkey_core::ports::{Change, KeyStore, LookupResult, Replicas};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::MonotonicInstant;
use latchkey_management::operators;
use latchkey_management::ports::{AuditEntry, KeyUpdateFn, NewKey};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;

/// Connection of one replica to the store: it can be cut, and responses about keys can be held back.
struct StoreLink {
    store: Arc<Store>,
    disconnected: AtomicBool,
    responses: Semaphore,
    queries: AtomicU64,
}

impl StoreLink {
    fn check_connected(&self) -> Result<(), SystemError> {
        if self.disconnected.load(Ordering::SeqCst) { Err(SystemError::database()) } else { Ok(()) }
    }
}

#[async_trait]
impl ChangeFeed for StoreLink {
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, SystemError> {
        self.check_connected()?;
        self.store.changes(after, limit).await
    }

    async fn revision(&self) -> Result<u64, SystemError> {
        self.check_connected()?;
        self.store.revision().await
    }
}

#[async_trait]
impl KeyStore for StoreLink {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        self.check_connected()?;
        let found = self.store.key_by_hash(hash).await;
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.responses.acquire().await.unwrap().forget();
        found
    }
}

fn gate(link: &Arc<StoreLink>, follower: &Follower, cache: Arc<ReplicaCache>) -> Arc<Gate<LocalLimiter>> {
    Arc::new(Gate::new(GateParts {
        store: link.clone(),
        policies: follower.parts.catalog.clone(),
        limiter: LocalLimiter::new(),
        cache,
        clock: follower.parts.clock.clone(),
        usage: Arc::new(NoopUsageLog),
    }))
}

/// Other replicas, as a replica that waits for them sees them; each count is recorded.
struct CountingReplicas {
    store: Arc<Store>,
    counts: Semaphore,
}

#[async_trait]
impl Replicas for CountingReplicas {
    async fn heartbeat(
        &self,
        replica: &Replica,
        revision: u64,
        valid_for: Duration,
    ) -> Result<(), SystemError> {
        self.store.heartbeat(replica, revision, valid_for).await
    }

    async fn set_applied(&self, replica: &Replica, revision: u64) -> Result<(), SystemError> {
        self.store.set_applied(replica, revision).await
    }

    async fn deregister(&self, replica: &Replica) -> Result<(), SystemError> {
        self.store.deregister(replica).await
    }

    async fn count_lagging(&self, replica: &Replica, revision: u64) -> Result<u64, SystemError> {
        let behind = self.store.count_lagging(replica, revision).await;
        self.counts.add_permits(1);
        behind
    }
}

struct TestReplica {
    peers: Arc<CountingReplicas>,
    link: Arc<StoreLink>,
    follower: Arc<Follower>,
    gate: Arc<Gate<LocalLimiter>>,
}

impl TestReplica {
    async fn new(store: &Arc<Store>, clock: &Arc<ManualClock>, id: &str) -> Self {
        let responses = Semaphore::new(1_000);
        let link = Arc::new(StoreLink {
            store: store.clone(),
            disconnected: AtomicBool::new(false),
            responses,
            queries: AtomicU64::new(0),
        });
        let mut follower = Arc::into_inner(follower_with_peers(store, clock, id)).unwrap();
        follower.parts.feed = link.clone();
        let peers = Arc::new(CountingReplicas { store: store.clone(), counts: Semaphore::new(0) });
        let Peers::Known(_, replica) = follower.parts.peers else { panic!("replicas know each other") };
        follower.parts.peers = Peers::Known(peers.clone(), replica);
        follower.initialize().await.unwrap();
        let cache = follower.parts.cache.clone();
        let gate = gate(&link, &follower, cache);
        Self { peers, link, follower: Arc::new(follower), gate }
    }

    /// Makes the replica decide by a cache that gets no changes and whose lease does not end.
    fn stop_following(&mut self) {
        let cache = Arc::new(ReplicaCache::new(1 << 20));
        cache.extend_lease(MonotonicInstant(u64::MAX));
        self.gate = gate(&self.link, &self.follower, cache);
    }

    /// Returns true if this replica accepts the key as an operator's.
    async fn admits(&self, key: &PlainKey) -> bool {
        self.gate.caller(PresentedCredential::Value(key.reveal()), None).await.is_ok()
    }
}

fn audit_entry() -> AuditEntry {
    AuditEntry {
        time: Timestamp(0),
        tenant: None,
        actor: "test".into(),
        action: "key.revoke",
        target: "key".into(),
        request_id: "test".into(),
        details: std::collections::BTreeMap::new(),
    }
}

/// Two replicas of one store, and the operators' first key.
struct ReplicaPair {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    random: StdRng,
    replicas: [TestReplica; 2],
    _folder: TempDir,
}

impl ReplicaPair {
    async fn new() -> (Self, KeyId, PlainKey) {
        let folder = tempfile::tempdir().unwrap();
        let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
        let mut random = StdRng::from_seed([7; 32]);
        let tenant = operators::tenant(Timestamp(0), &mut random);
        let key = operators::new_root_key_value(&mut random);
        let record = operators::root_key(&key, tenant.id, Timestamp(0), &mut random);
        let id = record.id;
        store.bootstrap_operator(tenant, record, true, audit_entry()).await.unwrap();
        let replicas =
            [TestReplica::new(&store, &clock, "1").await, TestReplica::new(&store, &clock, "2").await];
        (Self { store, clock, random, replicas, _folder: folder }, id, key)
    }

    async fn another(&mut self, like: KeyId) -> (KeyId, PlainKey) {
        let tenant = self.store.key(like).await.unwrap().unwrap().tenant;
        let key = operators::new_root_key_value(&mut self.random);
        let record = operators::root_key(&key, tenant, Timestamp(0), &mut self.random);
        let id = record.id;
        self.store.create_keys(vec![NewKey { record, idempotency: None }], audit_entry()).await.unwrap();
        (id, key)
    }

    /// Revokes a key through the first replica; returns the wait for the others.
    async fn revoke(&self, id: KeyId) -> JoinSet<Result<(), SystemError>> {
        let rule: KeyUpdateFn<'_> = Box::new(|key| {
            key.lifecycle
                .revoke(Timestamp(1), String::new())
                .map_err(|_| RequestError::NotFound("key"))
                .map(|lifecycle| latchkey_core::record::KeyRecord { lifecycle, ..key.clone() })
        });
        let written: Result<_, ManagementError> = self.store.change_key(id, rule, audit_entry()).await;
        let revision = written.unwrap().revision;
        let first = self.replicas[0].follower.clone();
        first.poll().await.unwrap();
        let mut waiting = JoinSet::new();
        waiting.spawn(async move { first.wait_until_applied(revision, None).await });
        waiting
    }
}

/// Returns true if a disconnected replica admits a key after its revocation has returned.
async fn admitted_after_revocation(trusts_beyond_lease: bool) -> bool {
    let (pair, id, key) = ReplicaPair::new().await;
    let [one, two] = &pair.replicas;
    assert!(one.admits(&key).await && two.admits(&key).await);
    if trusts_beyond_lease {
        two.follower.parts.cache.extend_lease(MonotonicInstant(u64::MAX));
    }
    two.link.disconnected.store(true, Ordering::SeqCst);
    let mut waiting_writer = pair.revoke(id).await;
    assert!(two.follower.poll().await.is_err());
    // The writer has counted three times, and each time the other replica was behind.
    let counts = tokio::time::timeout(Duration::from_secs(20), one.peers.counts.acquire_many(3)).await;
    counts.expect("the writer counts lagging replicas").unwrap().forget();
    assert!(waiting_writer.try_join_next().is_none(), "the writer waits for a replica with a lease");
    assert!(two.admits(&key).await, "the key is still cached there");
    pair.clock.advance(LEASE);
    waiting_writer.join_next().await.unwrap().unwrap().unwrap();
    assert!(!one.admits(&key).await);
    two.admits(&key).await
}

#[tokio::test]
async fn a_replica_that_is_cut_off_admits_no_revoked_key() {
    assert!(!admitted_after_revocation(false).await);
}

#[tokio::test]
async fn a_replica_that_trusts_its_cache_beyond_its_lease_is_caught_by_the_same_test() {
    assert!(admitted_after_revocation(true).await);
}

/// Returns true if a replica admits a key whose lookup was overtaken by the revocation.
async fn admitted_after_a_late_fill(pair: &ReplicaPair, id: KeyId, key: PlainKey) -> bool {
    let [_, two] = &pair.replicas;
    two.follower.poll().await.unwrap();
    two.link.responses.forget_permits(1_000);
    let queries = two.link.queries.load(Ordering::SeqCst);
    let (gate, held) = (two.gate.clone(), key.clone());
    let mut lookup = JoinSet::new();
    lookup.spawn(async move { gate.caller(PresentedCredential::Value(held.reveal()), None).await.is_ok() });
    // The query has been executed, and its response is held back.
    while two.link.queries.load(Ordering::SeqCst) == queries {
        tokio::task::yield_now().await;
    }
    let mut waiting_writer = pair.revoke(id).await;
    two.follower.poll().await.unwrap();
    waiting_writer.join_next().await.unwrap().unwrap().unwrap();
    two.link.responses.add_permits(1_000);
    lookup.join_next().await.unwrap().unwrap();
    two.admits(&key).await
}

/// Set `LATCHKEY_TEST_ROUNDS=1000` for a longer run.
#[tokio::test]
async fn a_fill_that_the_revocation_overtook_is_not_cached() {
    let (mut pair, first, _) = ReplicaPair::new().await;
    #[expect(clippy::disallowed_methods, reason = "the length of the test is configurable")]
    let rounds = std::env::var("LATCHKEY_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    for _ in 0..rounds.unwrap_or(50) {
        let (id, key) = pair.another(first).await;
        assert!(
            !admitted_after_a_late_fill(&pair, id, key).await,
            "a lookup from before the revocation must not be cached"
        );
    }
}

#[tokio::test]
async fn a_replica_that_gets_no_changes_is_caught_by_the_same_test() {
    let (mut pair, first, _) = ReplicaPair::new().await;
    let (id, key) = pair.another(first).await;
    pair.replicas[1].stop_following();
    assert!(admitted_after_a_late_fill(&pair, id, key).await);
}
