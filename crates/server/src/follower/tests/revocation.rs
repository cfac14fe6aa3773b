//! Tests of revocation with faulty replicas. A replica that trusts its cache beyond its lease admits a revoked key,
//! and the test notices it, which shows that the test can fail. Also tests the race of a cache fill against a change.

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::error::ManagementError;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::KeyId;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::ports::NoRenewal;
use latchkey_core::ports::usage::NoopUsageLog;
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::MonotonicInstant;
use latchkey_management::operators;
use latchkey_management::ports::{AuditAction, KeyUpdateFn, NewKey, WriteResult};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use super::*;

fn gate(link: &Arc<StoreLink>, follower: &Follower, cache: Arc<ReplicaCache>) -> Arc<Gate<LocalLimiter>> {
    Arc::new(Gate::new(GateParts {
        store: link.clone(),
        policies: follower.parts.catalog.clone(),
        limiter: LocalLimiter::new(),
        cache,
        clock: follower.parts.clock.clone(),
        usage: Arc::new(NoopUsageLog),
        lease: Arc::new(NoRenewal),
    }))
}

pub(super) struct TestReplica {
    pub(super) link: Arc<StoreLink>,
    pub(super) follower: Arc<Follower>,
    gate: Arc<Gate<LocalLimiter>>,
}

impl TestReplica {
    /// A replica with a store of its own, as in another process.
    pub(super) async fn new(
        folder: &TempDir,
        clock: &Arc<ManualClock>,
        replica: Replica,
        lease: Duration,
    ) -> Self {
        let link = StoreLink::new(&store(folder).await);
        let follower = Arc::new(follower_by(&link, clock, lease, Some(replica)));
        follower.initialize().await.unwrap();
        let gate = gate(&link, &follower, follower.parts.cache.clone());
        Self { link, follower, gate }
    }

    /// Makes the replica decide by a cache that gets no changes and whose lease does not end.
    fn stop_following(&mut self) {
        let cache = Arc::new(ReplicaCache::new(1 << 20));
        cache.extend_lease(MonotonicInstant(u64::MAX));
        self.gate = gate(&self.link, &self.follower, cache);
    }

    /// Returns true if this replica accepts the key as an operator's.
    pub(super) async fn admits(&self, key: &PlainKey) -> bool {
        self.gate.caller(PresentedCredential::Value(key.reveal()), None).await.is_ok()
    }
}

/// Two replicas of one database, and the operators' first key.
pub(super) struct ReplicaPair {
    /// Store that belongs to no replica.
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<ManualClock>,
    random: StdRng,
    pub(super) replicas: [TestReplica; 2],
    pub(super) folder: TempDir,
}

impl ReplicaPair {
    async fn new() -> (Self, KeyId, PlainKey) {
        Self::with([LEASE; 2]).await
    }

    /// A pair with a lease for each replica.
    pub(super) async fn with(leases: [Duration; 2]) -> (Self, KeyId, PlainKey) {
        let folder = tempfile::tempdir().unwrap();
        let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
        let mut random = StdRng::from_seed([7; 32]);
        let tenant = operators::tenant(Timestamp(0), &mut random);
        let key = operators::new_root_key_value(&mut random);
        let record = operators::root_key(&key, tenant.id, Timestamp(0), &mut random);
        let id = record.id;
        store.bootstrap_operator(tenant, record, true, audit_entry(AuditAction::KeyCreate)).await.unwrap();
        let replicas = [
            TestReplica::new(&folder, &clock, replica("1"), leases[0]).await,
            TestReplica::new(&folder, &clock, replica("2"), leases[1]).await,
        ];
        (Self { store, clock, random, replicas, folder }, id, key)
    }

    async fn another(&mut self, like: KeyId) -> (KeyId, PlainKey) {
        let tenant = self.store.key(like).await.unwrap().unwrap().tenant;
        let key = operators::new_root_key_value(&mut self.random);
        let record = operators::root_key(&key, tenant, Timestamp(0), &mut self.random);
        let id = record.id;
        let new = vec![NewKey { record, idempotency: None, imported: false }];
        self.store.create_keys(new, audit_entry(AuditAction::KeyCreate)).await.unwrap();
        (id, key)
    }

    /// Writes the revocation of a key, unless it is revoked.
    pub(super) async fn write_revocation(&self, id: KeyId) -> WriteResult<KeyRecord> {
        let rule: KeyUpdateFn<'_> = Box::new(|key| {
            let revoked = key.lifecycle.revoke(Timestamp(1), String::new());
            Ok(revoked.map_or_else(|_| key.clone(), |lifecycle| KeyRecord { lifecycle, ..key.clone() }))
        });
        let written: Result<_, ManagementError> =
            self.store.change_key(id, rule, audit_entry(AuditAction::KeyRevoke)).await;
        written.unwrap()
    }

    /// Revokes a key through the first replica; returns the wait for the others.
    pub(super) async fn revoke(&self, id: KeyId) -> WaitTask {
        let revision = self.write_revocation(id).await.revision;
        let first = &self.replicas[0].follower;
        first.poll(false).await.unwrap();
        // Rounds from before the wait do not count.
        self.clock.advance(Duration::from_micros(1));
        wait(first, revision, None)
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
    two.link.cut();
    let mut waiting_writer = pair.revoke(id).await;
    assert!(two.follower.poll(true).await.is_err());
    // The writer has read the rows three times, and each time the other replica was behind.
    one.link.listed(3).await;
    assert!(waiting_writer.try_join_next().is_none(), "the writer waits for a replica with a lease");
    assert!(two.admits(&key).await, "the key is still cached there");
    pair.clock.advance(holders::with_margin(LEASE));
    waiting_writer.join_next().await.unwrap().unwrap().unwrap();
    one.follower.poll(true).await.unwrap();
    assert!(!one.admits(&key).await);
    two.admits(&key).await
}

#[tokio::test]
async fn a_replica_that_is_cut_off_admits_no_revoked_key() {
    assert!(!admitted_after_revocation(false).await);
}

#[tokio::test]
async fn a_replica_that_decides_beyond_its_lease_fails_the_same_test() {
    assert!(admitted_after_revocation(true).await);
}

/// Returns true if a replica admits a key whose lookup was overtaken by the revocation.
async fn admitted_after_a_late_fill(pair: &ReplicaPair, id: KeyId, key: PlainKey) -> bool {
    let [_, two] = &pair.replicas;
    two.follower.poll(true).await.unwrap();
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
    two.follower.poll(true).await.unwrap();
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
async fn a_replica_that_gets_no_changes_fails_the_same_test() {
    let (mut pair, first, _) = ReplicaPair::new().await;
    let (id, key) = pair.another(first).await;
    pair.replicas[1].stop_following();
    assert!(admitted_after_a_late_fill(&pair, id, key).await);
}
