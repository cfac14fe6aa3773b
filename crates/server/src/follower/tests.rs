//! Tests of the follower on a real store: two replicas are two followers of one database.

mod gaps;
mod history;
mod leases;
mod link;
mod names;
mod partial;
mod revocation;

use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::time::{Moment, MonotonicInstant, Timestamp};
use latchkey_store::{Dialect, Pooler, Store, StoreOptions};
use tempfile::TempDir;

use super::*;
use latchkey_core::ports::Change;
use latchkey_core::ports::{Replica, Replicas as _};
use latchkey_management::ports::{ApplyResult, AuditAction, AuditEntry, NewProfileVersion, Propagation as _};
use link::StoreLink;
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
const POLL_INTERVAL: Duration = Duration::from_millis(10);

async fn store(folder: &TempDir) -> Arc<Store> {
    let url = format!("sqlite://{}/latchkey.db?mode=rwc", folder.path().display());
    let deadline = Duration::from_mins(1);
    let options = StoreOptions {
        url,
        connections: 4,
        check_deadline: deadline,
        deadline,
        pooler: Pooler::Session,
        dialect: Dialect::Postgres,
    };
    let store = Arc::new(Store::connect_lazy(options).unwrap());
    latchkey_migrations::up(store.connection()).await.unwrap();
    store
}

/// A follower that reads by a link, with a lease, as a member under a replica's name or alone.
fn follower_by(
    link: &Arc<StoreLink>,
    clock: &Arc<ManualClock>,
    lease: Duration,
    replica: Option<Replica>,
) -> Follower {
    let cache = Arc::new(ReplicaCache::new(1 << 20));
    let sealer = Arc::new(latchkey_core::seal::Sealer::new(&[7; 32]));
    let settings = MembershipSettings { lease, poll_interval: POLL_INTERVAL, alone: false };
    Follower::new(FollowerParts {
        feed: link.clone(),
        store: link.store.clone(),
        recovery: link.store.clone(),
        signing: SigningKeyLoader {
            store: link.store.clone(),
            sealer,
            cache: cache.clone(),
            clock: clock.clone(),
        },
        cache,
        catalog: Arc::new(Catalog::new()),
        clock: clock.clone(),
        settings: FollowerSettings { lease, feed_poll_interval: POLL_INTERVAL },
        membership: replica.map(|replica| Membership::new(link.clone(), replica, settings)),
        notifier: None,
        notifications: Mutex::default(),
    })
}

fn follower(store: &Arc<Store>, clock: &Arc<ManualClock>) -> Arc<Follower> {
    Arc::new(follower_by(&StoreLink::new(store), clock, LEASE, None))
}

fn replica(id: &str) -> Replica {
    Replica { id: id.into(), name: "here".into(), stable_name: None, host: None }
}

fn member(store: &Arc<Store>, clock: &Arc<ManualClock>, id: &str) -> Arc<Follower> {
    Arc::new(follower_by(&StoreLink::new(store), clock, LEASE, Some(replica(id))))
}

impl Follower {
    /// Returns whether the cache may be used now.
    fn trusts(&self) -> bool {
        self.parts.cache.lease_valid(self.parts.clock.monotonic())
    }
}

/// Lets a follower follow the feed, and wait for a revision.
fn wait(follower: &Arc<Follower>, revision: u64, deadline: Option<MonotonicInstant>) -> WaitTask {
    let follower = follower.clone();
    let mut waiting = WaitTask::new();
    waiting.spawn(async move {
        tokio::select! {
            ended = follower.run() => panic!("the follower runs until it is dropped: {ended:?}"),
            waited = follower.wait_until_applied(revision, None, deadline) => waited,
        }
    });
    waiting
}

/// A wait in a task of its own.
type WaitTask = tokio::task::JoinSet<Result<(), SystemError>>;

/// Waits for a revision until a deadline of one second, by the clock of the test, which comes after some rounds.
async fn wait_one_second(
    follower: &Arc<Follower>,
    clock: &ManualClock,
    revision: u64,
) -> Result<(), SystemError> {
    let second = Duration::from_secs(1);
    // Rounds from before the wait do not count.
    clock.advance(Duration::from_micros(1));
    // The first of these rounds can begin before the wait, and the last one cannot.
    let last = follower.rounds_begun.load(Ordering::SeqCst) + 3;
    let mut waiter = wait(follower, revision, Some(clock.monotonic().plus(second)));
    let waited = async {
        while follower.last_round.borrow().0 < last {
            if let Some(waited) = waiter.try_join_next() {
                return waited;
            }
            follower.request_round();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        clock.advance(second);
        waiter.join_next().await.unwrap()
    };
    tokio::time::timeout(Duration::from_mins(1), waited).await.unwrap().unwrap()
}

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml"));

fn audit_entry(action: AuditAction) -> AuditEntry {
    AuditEntry {
        time: Timestamp(0),
        tenant: None,
        actor: "test".into(),
        caller: None,
        action,
        target: "demo".into(),
        request_id: "test".into(),
        details: std::collections::BTreeMap::new(),
    }
}

async fn apply(store: &Store, document: &str) -> u64 {
    let audit = audit_entry(AuditAction::ProfileApply);
    let expected_revision = store.profiles().await.unwrap().iter().map(|profile| profile.revision).max();
    let expected_revision = expected_revision.unwrap_or(0);
    let version = NewProfileVersion { name: "demo", document, comment: "", expected_revision };
    match store.apply_profile(version, audit).await.unwrap() {
        ApplyResult::Written(written) => written.revision,
        ApplyResult::Conflict => panic!("there are no concurrent writers"),
    }
}

/// Program that runs the statements of its second argument on the database of its first one.
const RUN_SQL: &str = "import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=120, isolation_level=None)
connection.executescript(sys.argv[2])";

/// Runs SQL on the database, as a person could.
fn sql(folder: &TempDir, text: &str) {
    let mut command = std::process::Command::new("python3");
    let ran = command.args(["-c", RUN_SQL]).arg(folder.path().join("latchkey.db")).arg(text).status();
    assert!(ran.unwrap().success(), "{text}");
}

#[tokio::test]
async fn a_change_of_another_replica_is_in_force_when_its_revision_counts_as_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (store(&folder).await, store(&folder).await);
    let follower = follower(&here, &Arc::default());
    follower.initialize().await.unwrap();
    assert!(follower.parts.catalog.named("demo").is_none());
    let revision = apply(&there, DOCUMENT).await;
    follower.poll(false).await.unwrap();
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
        ended = follower.run() => panic!("the follower runs until it is dropped: {ended:?}"),
        applied = follower.wait_until_applied(revision, None, None) => applied.unwrap(),
    }
    assert!(follower.parts.cache.applied_revision() >= revision);
    let again = apply(&store, DOCUMENT).await;
    assert_eq!(again, revision, "an unchanged document is no new version");
}

#[tokio::test]
async fn the_cache_is_trusted_for_one_lease_from_the_beginning_of_a_round() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let follower = member(&store, &clock, "1");
    assert!(!follower.trusts(), "nothing was read yet");
    follower.initialize().await.unwrap();
    clock.advance(LEASE.saturating_sub(Duration::from_nanos(1)));
    follower.poll(false).await.unwrap();
    assert!(follower.trusts());
    clock.advance(Duration::from_nanos(1));
    assert!(!follower.trusts(), "a poll extends nothing");
    follower.poll(true).await.unwrap();
    assert!(follower.trusts());
}

#[tokio::test]
async fn without_its_store_the_lease_runs_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let follower = follower(&store, &clock);
    follower.initialize().await.unwrap();
    store.close().await;
    assert!(follower.poll(true).await.is_err());
    clock.advance(LEASE);
    assert!(!follower.trusts());
}

#[tokio::test]
async fn a_replica_is_known_to_the_others_before_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let link = StoreLink::new(&store);
    let one = follower_by(&link, &clock, LEASE, Some(replica("1")));
    link.refuse_registrations.store(true, Ordering::SeqCst);
    assert!(one.poll(true).await.is_err());
    assert!(!one.trusts(), "a replica that the others do not know must not trust its cache");
    assert_eq!(link.polls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_gap_in_the_feed_clears_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let link = StoreLink::new(&store);
    let follower = follower_by(&link, &clock, LEASE, None);
    link.loses_changes.store(true, Ordering::SeqCst);
    follower.initialize().await.unwrap();
    let newest = apply(&store, DOCUMENT).await;
    assert!(newest > follower.parts.cache.applied_revision());
    follower.poll(true).await.unwrap();
    assert_eq!(follower.parts.cache.applied_revision(), newest);
    assert!(follower.parts.catalog.named("demo").is_some());
}

#[tokio::test]
async fn a_replica_that_was_away_for_too_long_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let (away, here) = (member(&store, &clock, "1"), member(&store, &clock, "2"));
    away.initialize().await.unwrap();
    here.initialize().await.unwrap();
    let _ = apply(&store, DOCUMENT).await;
    let newest = apply(&store, &format!("# again\n{DOCUMENT}")).await;
    here.poll(true).await.unwrap();
    assert_eq!(store.prune_feed(0).await.unwrap(), 0, "a replica with a row has not applied it");
    sql(&folder, "DELETE FROM replicas WHERE id = '1'");
    assert!(store.prune_feed(0).await.unwrap() > 0, "a replica without a row may find a gap");
    // Its row is missing, so that it begins again.
    away.poll(true).await.unwrap();
    assert!(!away.trusts());
    away.poll(true).await.unwrap();
    assert!(away.trusts());
    assert_eq!(away.parts.cache.applied_revision(), newest);
    assert_eq!(away.parts.catalog.named("demo").map(|profile| profile.policy.version), Some(2));
}
