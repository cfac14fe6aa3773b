//! Tests of the rules for writers and holders: who is waited for, for how long, and who stops trusting.

use super::revocation::ReplicaPair;
use super::*;
use crate::follower::holders::with_margin;
use latchkey_core::error::SystemError;

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(20);

/// Asserts that a wait goes on until the clock has moved on by `bound`, and not longer.
async fn ends_after(pair: &ReplicaPair, waiting: &mut WaitTask, bound: Duration) {
    let almost = Duration::from_millis(1);
    pair.clock.advance(bound.saturating_sub(almost));
    let writer = &pair.replicas[0];
    writer.link.listed(u32::try_from(writer.link.lists.available_permits()).unwrap() + 3).await;
    assert!(waiting.try_join_next().is_none(), "the writer waits for the whole lease of the holder");
    pair.clock.advance(almost);
    waiting.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_write_is_over_when_every_replica_that_holds_has_reported_it() {
    let (pair, id, _) = ReplicaPair::with([LEASE; 2]).await;
    let [one, two] = &pair.replicas;
    let mut waiting = pair.revoke(id).await;
    one.link.listed(3).await;
    assert!(waiting.try_join_next().is_none(), "the other replica holds a lease and has not reported");
    two.follower.poll(false).await.unwrap();
    waiting.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_writer_waits_for_the_lease_of_the_holder_and_not_for_its_own() {
    let (pair, id, key) = ReplicaPair::with([SHORT, LONG]).await;
    let [_, two] = &pair.replicas;
    assert!(two.admits(&key).await);
    two.link.cut();
    let mut waiting = pair.revoke(id).await;
    ends_after(&pair, &mut waiting, with_margin(LONG)).await;
    assert!(!two.admits(&key).await);
}

#[tokio::test]
async fn a_retry_that_changes_nothing_waits_for_the_same_holder() {
    let (pair, id, _) = ReplicaPair::with([SHORT, LONG]).await;
    let [one, two] = &pair.replicas;
    two.link.cut();
    let written = pair.write_revocation(id).await;
    assert!(written.changed);
    one.follower.poll(false).await.unwrap();
    let late = wait_one_second(&one.follower, &pair.clock, written.revision).await;
    let Err(SystemError::Unavailable { dependency, retry_after, .. }) = late else { panic!("{late:?}") };
    assert!(dependency.contains("committed and not yet applied everywhere"), "{dependency}");
    assert_eq!(retry_after.as_millis(), 19_312, "until the end of the holder's lease");
    let again = pair.write_revocation(id).await;
    assert_eq!((again.changed, again.revision), (false, written.revision));
    let mut waiting = wait(&one.follower, again.revision, None);
    // The row is unchanged since before the first attempt.
    ends_after(&pair, &mut waiting, with_margin(LONG).saturating_sub(Duration::from_secs(1))).await;
}

/// Revokes a key while a replica is cut off whose row was changed by a statement after the writer had seen it.
async fn is_waited_for_after(statement: &str) {
    let (pair, id, key) = ReplicaPair::with([SHORT, LONG]).await;
    let [one, two] = &pair.replicas;
    one.follower.poll(true).await.unwrap();
    assert!(two.admits(&key).await);
    two.link.cut();
    sql(&pair.folder, statement);
    let mut waiting = pair.revoke(id).await;
    one.link.listed(3).await;
    assert!(waiting.try_join_next().is_none(), "the replica trusts its cache");
    assert!(two.admits(&key).await);
    ends_after(&pair, &mut waiting, with_margin(LONG)).await;
    assert!(!two.admits(&key).await);
}

#[tokio::test]
async fn a_replica_whose_row_was_deleted_is_waited_for() {
    is_waited_for_after("DELETE FROM replicas WHERE id = '2'").await;
}

#[tokio::test]
async fn a_replica_whose_row_was_altered_is_waited_for() {
    is_waited_for_after("UPDATE replicas SET revision = 1000 WHERE id = '2'").await;
    is_waited_for_after("UPDATE replicas SET lease_ms = 1 WHERE id = '2'").await;
    is_waited_for_after("UPDATE replicas SET lease_ms = NULL WHERE id = '2'").await;
    is_waited_for_after("UPDATE replicas SET departed = 1 WHERE id = '2'").await;
}

#[tokio::test]
async fn an_unseen_replica_is_waited_for_when_its_row_is_missing() {
    let (pair, id, _) = ReplicaPair::with([SHORT, LONG]).await;
    let [_, two] = &pair.replicas;
    two.link.cut();
    sql(&pair.folder, "DELETE FROM replicas WHERE id = '2'");
    let third = revocation::TestReplica::new(&pair.folder, &pair.clock, replica("3"), SHORT).await;
    let revision = pair.write_revocation(id).await.revision;
    third.follower.poll(true).await.unwrap();
    pair.replicas[0].follower.poll(true).await.unwrap();
    let mut waiting = wait(&third.follower, revision, None);
    third.link.listed(4).await;
    assert!(waiting.try_join_next().is_none(), "a row is missing, and its replica may trust its cache");
    pair.clock.advance(with_margin(LONG));
    waiting.join_next().await.unwrap().unwrap().unwrap();
}

/// Asserts that a replica stops trusting at the round after a statement, until it has registered again, or that its
/// heartbeat repairs the row.
async fn assert_decides_again_after(statement: &str, repaired: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let follower = member(&store, &clock, "1");
    follower.initialize().await.unwrap();
    assert!(follower.trusts());
    sql(&folder, statement);
    follower.poll(true).await.unwrap();
    assert_eq!(follower.trusts(), repaired, "{statement}");
    follower.poll(true).await.unwrap();
    assert!(follower.trusts(), "{statement}");
    let fleet = store.list(0).await.unwrap();
    assert!(fleet.rows.len() == 1 && fleet.rows[0].announced.is_some(), "{fleet:?}");
}

#[tokio::test]
async fn a_replica_whose_own_row_was_deleted_or_altered_decides_nothing_until_it_is_registered_again() {
    assert_decides_again_after("DELETE FROM replicas", false).await;
    assert_decides_again_after("UPDATE replicas SET departed = 1", false).await;
    assert_decides_again_after("UPDATE replicas SET name = 'there'", false).await;
    assert_decides_again_after("UPDATE replicas SET revision = 1000", true).await;
    assert_decides_again_after("UPDATE replicas SET lease_ms = 1", true).await;
}

#[tokio::test]
async fn a_row_that_was_restored_to_an_earlier_state_is_repaired_by_the_next_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let follower = member(&store, &clock, "1");
    follower.initialize().await.unwrap();
    sql(&folder, "CREATE TABLE kept AS SELECT * FROM replicas");
    follower.poll(true).await.unwrap();
    sql(&folder, "DELETE FROM replicas; INSERT INTO replicas SELECT * FROM kept");
    follower.poll(true).await.unwrap();
    assert!(follower.trusts());
    let announced = store.list(0).await.unwrap().rows[0].announced;
    assert!(announced.is_some_and(|announced| announced.beat > 2), "{announced:?}");
}

#[tokio::test]
async fn a_replica_that_departed_is_not_waited_for_and_decides_nothing() {
    let (pair, id, key) = ReplicaPair::with([SHORT, LONG]).await;
    let [one, two] = &pair.replicas;
    assert!(two.admits(&key).await);
    two.follower.leave().await;
    assert!(!two.admits(&key).await);
    let mut waiting = pair.revoke(id).await;
    waiting.join_next().await.unwrap().unwrap().unwrap();
    assert!(!one.admits(&key).await);
    drop(two.follower.poll(true).await);
    assert!(!two.follower.trusts(), "it never decides again");
}

#[tokio::test]
async fn heartbeats_whose_answers_are_lost_extend_nothing_and_break_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let link = StoreLink::new(&store);
    let follower = follower_by(&link, &clock, LEASE, Some(replica("1")));
    follower.initialize().await.unwrap();
    let begin = store.list(0).await.unwrap().rows[0].beat;
    clock.advance(Duration::from_secs(1));
    link.lost_answers.store(2, Ordering::SeqCst);
    assert!(follower.poll(true).await.is_err());
    assert!(follower.poll(true).await.is_err());
    assert_eq!(store.list(0).await.unwrap().rows[0].beat, begin + 2, "both were committed");
    assert_eq!(follower.parts.cache.lease_expiry(), MonotonicInstant(0).plus(LEASE));
    follower.poll(false).await.unwrap();
    assert!(follower.trusts(), "the row is as the replica wrote it");
    follower.poll(true).await.unwrap();
    assert_eq!(follower.parts.cache.lease_expiry(), clock.monotonic().plus(LEASE));
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = (store(&folder).await, Arc::<ManualClock>::default());
    let link = StoreLink::new(&store);
    let follower = follower_by(&link, &clock, LEASE, Some(replica("1")));
    link.lost_answers.store(1, Ordering::SeqCst);
    assert!(follower.initialize().await.is_err());
    assert_eq!(store.list(0).await.unwrap().rows.len(), 1);
    for _ in 0..3 {
        drop(follower.poll(true).await);
    }
    assert!(follower.trusts());
}

#[tokio::test]
async fn a_look_up_on_a_server_that_is_behind_is_refused() {
    let (pair, _, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    let applied = one.follower.parts.cache.applied_revision();
    one.link.require_revision(applied + 1);
    assert!(!one.admits(&key).await, "the server has not reached what was applied here");
    one.link.require_revision(applied);
    assert!(one.admits(&key).await);
}
