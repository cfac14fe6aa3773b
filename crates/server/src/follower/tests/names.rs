//! Tests of stable names: one process at a time runs under a name, and a successor frees writers of its predecessor
//! when it can prove that the predecessor has ended.

use tokio::task::JoinSet;

use super::revocation::ReplicaPair;
use super::*;
use crate::follower::holders::with_margin;

/// Returns a replica with a stable name on a machine. Sockets are shared by all processes of this machine, so the
/// identifier is unique.
fn named(test: &str, life: u32, host: &str) -> Replica {
    let id = format!("{test}-{}-{life}", std::process::id());
    Replica { stable_name: Some("pod-0".into()), host: Some(host.into()), ..replica(&id) }
}

struct NameFixture {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl NameFixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: store(&folder).await, clock: Arc::default(), _folder: folder }
    }

    fn follower(&self, replica: Replica) -> Arc<Follower> {
        Arc::new(follower_by(&StoreLink::new(&self.store), &self.clock, LEASE, Some(replica)))
    }

    /// Returns the identifiers of all rows of replicas that have not departed.
    async fn listed(&self) -> Vec<String> {
        let rows = self.store.list(0).await.unwrap().rows;
        let staying = rows.iter().filter(|row| !row.departed);
        staying.map(|row| row.replica.id.to_string()).collect()
    }
}

fn assert_refused(started: Result<(), EntryError>) {
    let Err(EntryError::Conflict(text)) = started else { panic!("{started:?}") };
    assert!(text.contains("another process runs as \"pod-0\""), "{text}");
}

#[tokio::test]
async fn a_successor_on_the_same_machine_replaces_a_process_that_has_ended_at_once() {
    let fixture = NameFixture::new().await;
    let first = fixture.follower(named("ended", 1, "m1"));
    first.initialize().await.unwrap();
    drop(first);
    let second = fixture.follower(named("ended", 2, "m1"));
    second.initialize().await.unwrap();
    assert!(second.trusts());
    assert_eq!(fixture.listed().await, [second.parts.membership.as_ref().unwrap().id()]);
    assert!(!fixture.store.list(0).await.unwrap().is_incomplete(), "the removal is counted");
}

#[tokio::test]
async fn a_successor_on_the_same_machine_does_not_start_while_its_predecessor_runs() {
    let fixture = NameFixture::new().await;
    let first = fixture.follower(named("living", 1, "m1"));
    first.initialize().await.unwrap();
    // The predecessor does not poll, but its process runs.
    assert_refused(fixture.follower(named("living", 2, "m1")).initialize().await);
    assert!(first.trusts());
    first.poll(true).await.unwrap();
    assert!(first.trusts());
}

#[tokio::test]
async fn a_successor_on_another_machine_does_not_start_when_its_predecessor_answers() {
    let fixture = NameFixture::new().await;
    let first = fixture.follower(named("answers", 1, "m1"));
    first.initialize().await.unwrap();
    let mut running = JoinSet::new();
    let answering = first.clone();
    running.spawn(async move { answering.run().await.map(|never| match never {}) });
    assert_refused(fixture.follower(named("answers", 2, "m2")).initialize().await);
    assert!(running.try_join_next().is_none() && first.trusts(), "the predecessor goes on");
}

/// Starts a second process under a name on another machine, whose predecessor gives no answer.
async fn start_beside_a_silent_one(fixture: &NameFixture, successor: &Arc<Follower>) {
    let mut starting = JoinSet::new();
    let follower = successor.clone();
    starting.spawn(async move { follower.initialize().await });
    while starting.is_empty() || !fixture.store.list(0).await.unwrap().rows.iter().any(|row| row.challenged) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(starting.try_join_next().is_none(), "the predecessor has a second to answer");
    let started = loop {
        if let Some(started) = starting.try_join_next() {
            break started;
        }
        fixture.clock.advance(Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    started.unwrap().unwrap();
}

#[tokio::test]
async fn a_successor_on_another_machine_starts_after_silence_and_writers_wait_for_the_predecessor() {
    let fixture = NameFixture::new().await;
    let first = fixture.follower(named("silent", 1, "m1"));
    first.initialize().await.unwrap();
    let second = fixture.follower(named("silent", 2, "m2"));
    start_beside_a_silent_one(&fixture, &second).await;
    assert!(second.trusts() && first.trusts());
    assert_eq!(fixture.listed().await.len(), 2, "silence is no proof of an end");
    let revision = apply(&fixture.store, DOCUMENT).await;
    second.poll(true).await.unwrap();
    let waited = wait_one_second(&second, &fixture.clock, revision).await;
    assert!(waited.is_err(), "the predecessor may still trust its cache");
    fixture.clock.advance(with_margin(LEASE));
    second.poll(true).await.unwrap();
    wait_one_second(&second, &fixture.clock, revision).await.unwrap();
    assert!(!first.trusts());
}

#[tokio::test]
async fn a_process_whose_name_was_taken_decides_nothing_any_more() {
    let fixture = NameFixture::new().await;
    let first = fixture.follower(named("taken", 1, "m1"));
    first.initialize().await.unwrap();
    let second = fixture.follower(named("taken", 2, "m2"));
    start_beside_a_silent_one(&fixture, &second).await;
    let ended = first.run().await.map(|never| match never {});
    assert!(ended.unwrap_err().contains("another process runs as"));
    assert!(!first.trusts());
}

#[tokio::test]
async fn replicas_without_a_stable_name_run_side_by_side() {
    let (pair, ..) = ReplicaPair::with([LEASE; 2]).await;
    assert!(pair.replicas.iter().all(|replica| replica.follower.trusts()));
    assert_eq!(pair.store.list(0).await.unwrap().rows.len(), 2);
}
