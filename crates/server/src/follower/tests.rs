//! Following, on a real store: two replicas are two followers of one database.

mod revoked;

use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::time::{Moment, Tick, Timestamp};
use latchkey_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::*;
use latchkey_core::ports::{Replica, Replicas as _};
use latchkey_management::ports::Applied;
use std::time::Duration;

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
    let memory = Arc::new(Memory::new(1 << 20));
    let sealer = Arc::new(latchkey_core::seal::Sealer::new(&[7; 32]));
    Arc::new(Follower::new(Parts {
        feed: store.clone(),
        ledger: store.clone(),
        signing: SigningKeys { ledger: store.clone(), sealer, memory: memory.clone(), clock: clock.clone() },
        memory,
        catalog: Arc::new(Catalog::new()),
        clock: clock.clone(),
        follow: Follow { lease: LEASE, poll: Duration::from_millis(10) },
        others: Others::None,
        bell: None,
        wakeups: Mutex::default(),
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
    let among = store.profiles().await.unwrap().iter().map(|profile| profile.revision).max();
    match store.apply_profile(("demo", document), among.unwrap_or(0), audit).await.unwrap() {
        Applied::Written(written) => written.revision,
        Applied::Overtaken => panic!("nobody else applies"),
    }
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
        spread = follower.spread(revision, None) => spread.unwrap(),
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
async fn without_its_store_the_lease_runs_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let follower = follower(&store, &clock);
    follower.begin().await.unwrap();
    store.close().await;
    assert!(follower.poll().await.is_err());
    clock.forward(LEASE);
    assert!(!follower.parts.memory.trusted(clock.now().tick));
}

fn replica(id: &str) -> Replica {
    Replica { id: id.into(), name: "here".into() }
}

fn sharing(store: &Arc<Store>, clock: &Arc<Hands>, id: &str) -> Arc<Follower> {
    let mut follower = Arc::into_inner(follower(store, clock)).unwrap();
    follower.parts.others = Others::Known(store.clone(), replica(id));
    Arc::new(follower)
}

#[tokio::test]
async fn a_write_is_over_when_every_replica_that_holds_has_reported_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let (one, two) = (sharing(&store, &clock, "1"), sharing(&store, &clock, "2"));
    one.begin().await.unwrap();
    two.begin().await.unwrap();
    let revision = apply(&store, DOCUMENT).await;
    let mut writer = tokio::task::JoinSet::new();
    let waiting = Arc::clone(&one);
    writer.spawn(async move { waiting.spread(revision, None).await });
    one.poll().await.unwrap();
    assert_eq!(store.behind(&replica("1"), revision).await.unwrap(), 1);
    tokio::task::yield_now().await;
    assert!(writer.try_join_next().is_none(), "the other one holds and has not reported");
    two.poll().await.unwrap();
    writer.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_replica_that_left_or_that_the_lease_outlasted_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let (one, two) = (sharing(&store, &clock, "1"), sharing(&store, &clock, "2"));
    one.begin().await.unwrap();
    two.begin().await.unwrap();
    let revision = apply(&store, DOCUMENT).await;
    one.poll().await.unwrap();
    let end = clock.now().tick.after(LEASE);
    clock.forward(LEASE);
    assert!(!one.parts.others.wait(&*clock, revision, end).await);
    two.leave().await;
    one.spread(revision, None).await.unwrap();
}

#[tokio::test]
async fn a_replica_is_known_to_the_others_before_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let one = sharing(&store, &clock, "1");
    store.close().await;
    assert!(one.poll().await.is_err());
    assert!(!one.parts.memory.trusted(clock.now().tick), "what nobody knows of must not trust its memory");
}

/// A feed that lost what it should tell of.
struct Gapped(Arc<Store>);

#[async_trait]
impl Feed for Gapped {
    async fn changes(&self, _: u64, _: u32) -> Result<Vec<latchkey_core::ports::Change>, Trouble> {
        Ok(Vec::new())
    }

    async fn revision(&self) -> Result<u64, Trouble> {
        self.0.revision().await
    }
}

#[tokio::test]
async fn a_gap_in_the_feed_begins_everything_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let mut follower = Arc::into_inner(follower(&store, &clock)).unwrap();
    follower.parts.feed = Arc::new(Gapped(store.clone()));
    follower.begin().await.unwrap();
    let newest = apply(&store, DOCUMENT).await;
    assert!(newest > follower.parts.memory.applied());
    follower.poll().await.unwrap();
    assert_eq!(follower.parts.memory.applied(), newest);
    assert!(follower.parts.catalog.named("demo").is_some());
}

#[tokio::test]
async fn a_replica_that_was_away_for_too_long_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
    let (away, here) = (sharing(&store, &clock, "1"), sharing(&store, &clock, "2"));
    away.begin().await.unwrap();
    here.begin().await.unwrap();
    let _ = apply(&store, DOCUMENT).await;
    let newest = apply(&store, &DOCUMENT.replace("name", "# again\nname")).await;
    here.poll().await.unwrap();
    assert_eq!(store.prune_feed(0).await.unwrap(), 0, "one that holds has not applied it");
    away.leave().await;
    assert!(store.prune_feed(0).await.unwrap() > 0, "one that has left holds nothing");
    away.poll().await.unwrap();
    assert_eq!(away.parts.memory.applied(), newest);
    assert_eq!(away.parts.catalog.named("demo").map(|profile| profile.policy.version), Some(2));
}
