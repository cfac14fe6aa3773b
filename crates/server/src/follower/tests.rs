//! Tests of the follower on a real store: two replicas are two followers of one database.

mod revocation;

use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::time::{Moment, MonotonicInstant, Timestamp};
use latchkey_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::*;
use latchkey_core::ports::{Replica, Replicas as _};
use latchkey_management::ports::ApplyResult;
use std::time::Duration;

/// Clock that is advanced by the test.
#[derive(Default)]
struct ManualClock(AtomicU64);

impl ManualClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(latchkey_core::time::nanos(by), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        let tick = self.0.load(Ordering::Relaxed);
        Moment { wall: Timestamp(1_800_000_000_000), monotonic: MonotonicInstant(tick) }
    }
}

const LEASE: Duration = Duration::from_secs(5);

async fn store(folder: &TempDir) -> Arc<Store> {
    let url = format!("sqlite://{}/latchkey.db?mode=rwc", folder.path().display());
    let deadline = Duration::from_secs(10);
    let options = StoreOptions { url, connections: 4, check_deadline: deadline, deadline };
    let store = Arc::new(Store::connect_lazy(options).unwrap());
    latchkey_migrations::up(store.connection()).await.unwrap();
    store
}

fn follower(store: &Arc<Store>, clock: &Arc<ManualClock>) -> Arc<Follower> {
    let cache = Arc::new(ReplicaCache::new(1 << 20));
    let sealer = Arc::new(latchkey_core::seal::Sealer::new(&[7; 32]));
    Arc::new(Follower::new(FollowerParts {
        feed: store.clone(),
        store: store.clone(),
        signing: SigningKeyLoader {
            store: store.clone(),
            sealer,
            cache: cache.clone(),
            clock: clock.clone(),
        },
        cache,
        catalog: Arc::new(Catalog::new()),
        clock: clock.clone(),
        settings: FollowerSettings { lease: LEASE, feed_poll_interval: Duration::from_millis(10) },
        peers: Peers::None,
        notifier: None,
        notifications: Mutex::default(),
    }))
}

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml"));

async fn apply(store: &Store, document: &str) -> u64 {
    let audit = latchkey_management::ports::AuditEntry {
        time: Timestamp(0),
        tenant: None,
        actor: "test".into(),
        action: "profile.apply",
        target: "demo".into(),
        request_id: "test".into(),
        details: std::collections::BTreeMap::new(),
    };
    let expected_revision = store.profiles().await.unwrap().iter().map(|profile| profile.revision).max();
    match store.apply_profile("demo", document, expected_revision.unwrap_or(0), audit).await.unwrap() {
        ApplyResult::Written(written) => written.revision,
        ApplyResult::Conflict => panic!("there are no concurrent writers"),
    }
}

#[tokio::test]
async fn what_another_replica_wrote_is_in_force_when_its_revision_counts_as_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (store(&folder).await, store(&folder).await);
    let follower = follower(&here, &Arc::default());
    follower.initialize().await.unwrap();
    assert!(follower.parts.catalog.named("demo").is_none());
    let revision = apply(&there, DOCUMENT).await;
    follower.poll().await.unwrap();
    assert_eq!(follower.parts.cache.applied_revision(), revision);
    assert!(follower.parts.catalog.named("demo").is_some());
}

#[tokio::test]
async fn a_write_is_complete_when_the_only_replica_has_applied_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let follower = follower(&store, &Arc::default());
    follower.initialize().await.unwrap();
    let revision = apply(&store, DOCUMENT).await;
    tokio::select! {
        () = follower.run() => unreachable!("the follower runs until it is dropped"),
        applied = follower.wait_until_applied(revision, None) => applied.unwrap(),
    }
    assert!(follower.parts.cache.applied_revision() >= revision);
    let again = apply(&store, DOCUMENT).await;
    assert_eq!(again, 0, "an unchanged document is no new version");
}

#[tokio::test]
async fn the_cache_is_trusted_for_one_lease_from_the_beginning_of_a_poll() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let follower = follower(&store, &clock);
    let trusted = || follower.parts.cache.lease_valid(clock.now().monotonic);
    assert!(!trusted(), "nothing was read yet");
    follower.initialize().await.unwrap();
    clock.advance(LEASE.saturating_sub(Duration::from_nanos(1)));
    assert!(trusted());
    clock.advance(Duration::from_nanos(1));
    assert!(!trusted());
    follower.poll().await.unwrap();
    assert!(trusted());
}

#[tokio::test]
async fn without_its_store_the_lease_runs_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let follower = follower(&store, &clock);
    follower.initialize().await.unwrap();
    store.close().await;
    assert!(follower.poll().await.is_err());
    clock.advance(LEASE);
    assert!(!follower.parts.cache.lease_valid(clock.now().monotonic));
}

fn replica(id: &str) -> Replica {
    Replica { id: id.into(), name: "here".into() }
}

fn follower_with_peers(store: &Arc<Store>, clock: &Arc<ManualClock>, id: &str) -> Arc<Follower> {
    let mut follower = Arc::into_inner(follower(store, clock)).unwrap();
    follower.parts.peers = Peers::Known(store.clone(), replica(id));
    Arc::new(follower)
}

#[tokio::test]
async fn a_write_is_over_when_every_replica_that_holds_has_reported_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let (one, two) = (follower_with_peers(&store, &clock, "1"), follower_with_peers(&store, &clock, "2"));
    one.initialize().await.unwrap();
    two.initialize().await.unwrap();
    let revision = apply(&store, DOCUMENT).await;
    let mut writer = tokio::task::JoinSet::new();
    let waiting = Arc::clone(&one);
    writer.spawn(async move { waiting.wait_until_applied(revision, None).await });
    one.poll().await.unwrap();
    assert_eq!(store.count_lagging(&replica("1"), revision).await.unwrap(), 1);
    tokio::task::yield_now().await;
    assert!(writer.try_join_next().is_none(), "the other replica holds a lease and has not reported");
    two.poll().await.unwrap();
    writer.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_replica_that_left_or_that_the_lease_outlasted_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let (one, two) = (follower_with_peers(&store, &clock, "1"), follower_with_peers(&store, &clock, "2"));
    one.initialize().await.unwrap();
    two.initialize().await.unwrap();
    let revision = apply(&store, DOCUMENT).await;
    one.poll().await.unwrap();
    let end = clock.now().monotonic.plus(LEASE);
    clock.advance(LEASE);
    assert!(!one.parts.peers.wait_until_applied(&*clock, revision, end).await);
    two.deregister().await;
    one.wait_until_applied(revision, None).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_known_to_the_others_before_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let one = follower_with_peers(&store, &clock, "1");
    store.close().await;
    assert!(one.poll().await.is_err());
    assert!(
        !one.parts.cache.lease_valid(clock.now().monotonic),
        "a replica that the others do not know must not trust its cache"
    );
}

/// Feed that has lost its changes.
struct GappedFeed(Arc<Store>);

#[async_trait]
impl ChangeFeed for GappedFeed {
    async fn changes(&self, _: u64, _: u32) -> Result<Vec<latchkey_core::ports::Change>, SystemError> {
        Ok(Vec::new())
    }

    async fn revision(&self) -> Result<u64, SystemError> {
        self.0.revision().await
    }
}

#[tokio::test]
async fn a_gap_in_the_feed_clears_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let mut follower = Arc::into_inner(follower(&store, &clock)).unwrap();
    follower.parts.feed = Arc::new(GappedFeed(store.clone()));
    follower.initialize().await.unwrap();
    let newest = apply(&store, DOCUMENT).await;
    assert!(newest > follower.parts.cache.applied_revision());
    follower.poll().await.unwrap();
    assert_eq!(follower.parts.cache.applied_revision(), newest);
    assert!(follower.parts.catalog.named("demo").is_some());
}

#[tokio::test]
async fn a_replica_that_was_away_for_too_long_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let (away, here) = (follower_with_peers(&store, &clock, "1"), follower_with_peers(&store, &clock, "2"));
    away.initialize().await.unwrap();
    here.initialize().await.unwrap();
    let _ = apply(&store, DOCUMENT).await;
    let newest = apply(&store, &format!("# again\n{DOCUMENT}")).await;
    here.poll().await.unwrap();
    assert_eq!(store.prune_feed(0).await.unwrap(), 0, "a replica with a lease has not applied it");
    away.deregister().await;
    assert!(store.prune_feed(0).await.unwrap() > 0, "a replica that has left holds no lease");
    away.poll().await.unwrap();
    assert_eq!(away.parts.cache.applied_revision(), newest);
    assert_eq!(away.parts.catalog.named("demo").map(|profile| profile.policy.version), Some(2));
}
