//! Following, on a real store: two replicas are two followers of one database.

use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::time::{Moment, Tick, Timestamp};
use latchkey_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::*;

/// A clock that tests move.
#[derive(Default)]
struct Hands(AtomicU64);

impl Hands {
    fn forward(&self, by: Duration) {
        self.0.fetch_add(latchkey_core::time::nanos(by), Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Moment {
        let tick = self.0.load(Ordering::Relaxed);
        Moment { wall: Timestamp(1_800_000_000_000), tick: Tick(tick) }
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

fn follower(store: &Arc<Store>, clock: &Arc<Hands>) -> Arc<Follower> {
    Arc::new(Follower::new(Parts {
        feed: store.clone(),
        ledger: store.clone(),
        memory: Arc::new(Memory::new(10, 10)),
        catalog: Arc::new(Catalog::new()),
        clock: clock.clone(),
        follow: Follow { lease: LEASE, poll: Duration::from_millis(10) },
        others: Others::None,
    }))
}

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml"));

async fn apply(store: &Store, document: &str) -> u64 {
    let audit = latchkey_core::ports::AuditEntry {
        time: Timestamp(0),
        tenant: None,
        actor: "test".into(),
        action: "profile.apply",
        target: "demo".into(),
        request_id: "test".into(),
        details: std::collections::BTreeMap::new(),
    };
    store.apply_profile("demo", document, audit).await.unwrap().revision
}

#[tokio::test]
async fn what_another_replica_wrote_is_in_force_when_its_revision_counts_as_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (store(&folder).await, store(&folder).await);
    let follower = follower(&here, &Arc::default());
    follower.begin().await.unwrap();
    assert!(follower.parts.catalog.named("demo").is_none());
    let revision = apply(&there, DOCUMENT).await;
    follower.poll().await.unwrap();
    assert_eq!(follower.parts.memory.applied(), revision);
    assert!(follower.parts.catalog.named("demo").is_some());
}

#[tokio::test]
async fn a_write_has_spread_when_this_replica_has_applied_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let follower = follower(&store, &Arc::default());
    follower.begin().await.unwrap();
    let revision = apply(&store, DOCUMENT).await;
    tokio::select! {
        () = follower.run() => unreachable!("it follows until it is dropped"),
        spread = follower.spread(revision) => spread.unwrap(),
    }
    assert!(follower.parts.memory.applied() >= revision);
    let again = apply(&store, DOCUMENT).await;
    assert_eq!(again, 0, "an unchanged document is no new version");
}

#[tokio::test]
async fn memory_is_trusted_for_one_lease_from_the_beginning_of_a_poll() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let follower = follower(&store, &clock);
    let trusted = || follower.parts.memory.trusted(clock.now().tick);
    assert!(!trusted(), "nothing was read yet");
    follower.begin().await.unwrap();
    clock.forward(LEASE.saturating_sub(Duration::from_nanos(1)));
    assert!(trusted());
    clock.forward(Duration::from_nanos(1));
    assert!(!trusted());
    follower.poll().await.unwrap();
    assert!(trusted());
}

#[tokio::test]
async fn without_its_store_a_write_has_not_spread_and_the_lease_runs_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let follower = follower(&store, &clock);
    follower.begin().await.unwrap();
    store.close().await;
    assert!(follower.poll().await.is_err());
    let spread = follower.spread(follower.parts.memory.applied() + 1).await;
    assert!(matches!(spread, Err(Trouble::Outage { .. })));
    clock.forward(LEASE);
    assert!(!follower.parts.memory.trusted(clock.now().tick));
}

#[tokio::test(start_paused = true)]
async fn other_replicas_are_waited_for_one_lease_from_the_commit() {
    let clock = Hands::default();
    let committed = clock.now().tick;
    clock.forward(Duration::from_secs(2));
    let before = tokio::time::Instant::now();
    Others::Possible.wait(&clock, committed, LEASE).await;
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    Others::None.wait(&clock, committed, LEASE).await;
    assert_eq!(before.elapsed(), Duration::from_secs(3));
}
