//! Tests of tables that a person has altered, or restored without the others.

use latchkey_core::id::KeyId;
use latchkey_core::record::KeyLifecycle;

use super::history::written_again;
use super::revocation::{ReplicaPair, TestReplica};
use super::*;

#[tokio::test]
async fn a_feed_without_its_newest_row_clears_the_cache_once() {
    let (pair, _, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    sql(&pair.folder, "DELETE FROM changes WHERE revision = (SELECT revision FROM head)");
    for _ in 0..3 {
        one.follower.poll(true).await.unwrap();
        assert!(one.follower.trusts() && one.admits(&key).await);
    }
    assert_eq!(one.follower.counts.restarts.load(Ordering::SeqCst), 1);
    let new = TestReplica::new(&pair.folder, &pair.clock, replica("3"), LEASE).await;
    assert!(new.follower.trusts() && new.admits(&key).await);
    let newest = apply(&pair.store, DOCUMENT).await;
    for replica in [one, &new] {
        replica.follower.poll(true).await.unwrap();
        assert_eq!(replica.follower.parts.cache.applied_revision(), newest);
    }
    assert_eq!(written_again(&pair.store).await, Vec::<String>::new(), "nothing was lost");
}

#[tokio::test]
async fn a_head_that_was_set_back_stops_a_replica_and_writes_no_events() {
    let (pair, _, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    sql(&pair.folder, "UPDATE head SET revision = revision - 1");
    for _ in 0..3 {
        let error = one.follower.poll(true).await.unwrap_err();
        let EntryError::System(SystemError::Internal(text)) = &error else { panic!("{error:?}") };
        assert!(text.contains("rows behind the head") && text.contains("set head.revision to 2"), "{text}");
        assert!(!one.follower.trusts());
    }
    let new = member(&pair.store, &pair.clock, "3");
    assert!(matches!(new.initialize().await, Err(EntryError::System(SystemError::Internal(_)))));
    assert_eq!(written_again(&pair.store).await, Vec::<String>::new());
    sql(&pair.folder, "UPDATE head SET revision = revision + 1");
    one.follower.poll(true).await.unwrap();
    assert!(one.follower.trusts() && one.admits(&key).await);
    new.initialize().await.unwrap();
}

#[tokio::test]
async fn a_second_row_in_the_head_is_not_used() {
    let (pair, _, key) = ReplicaPair::with([LEASE; 2]).await;
    sql(
        &pair.folder,
        "INSERT INTO head (id, revision, audit_sequence, audit_hash) SELECT 0, 1, 1, audit_hash FROM head",
    );
    let new = TestReplica::new(&pair.folder, &pair.clock, replica("3"), LEASE).await;
    assert!(new.admits(&key).await);
    let newest = apply(&pair.store, DOCUMENT).await;
    new.follower.poll(true).await.unwrap();
    assert_eq!(new.follower.parts.cache.applied_revision(), newest);
}

/// Revokes the key, and puts its row back as it was before.
async fn put_the_key_back(pair: &ReplicaPair, id: KeyId) {
    let before = pair.store.key(id).await.unwrap().unwrap().revision;
    pair.write_revocation(id).await;
    for replica in &pair.replicas {
        replica.follower.poll(true).await.unwrap();
    }
    let text = format!(
        "UPDATE keys SET state = 'active', revoked_at = NULL, revoke_reason = NULL, revision = {before} \
         WHERE state = 'revoked'"
    );
    sql(&pair.folder, &text);
    assert_eq!(pair.store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Active);
}

async fn is_revoked_again(pair: &ReplicaPair, id: KeyId) -> bool {
    let lifecycle = pair.store.key(id).await.unwrap().unwrap().lifecycle;
    matches!(lifecycle, KeyLifecycle::Revoked { .. })
        && written_again(&pair.store).await == ["key.revoke_again"]
}

#[tokio::test]
async fn a_replica_that_starts_revokes_again_what_only_the_feed_knows() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    put_the_key_back(&pair, id).await;
    let new = TestReplica::new(&pair.folder, &pair.clock, replica("3"), LEASE).await;
    assert!(!new.admits(&key).await && is_revoked_again(&pair, id).await);
    assert_eq!(new.follower.status().reapplied, 1);
    let another = TestReplica::new(&pair.folder, &pair.clock, replica("4"), LEASE).await;
    assert_eq!(another.follower.status().reapplied, 0, "nothing is left to do");
}

#[tokio::test]
async fn a_replica_that_knows_better_revokes_again_after_the_first_look_up() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    put_the_key_back(&pair, id).await;
    one.follower.check_outdated().await;
    assert!(!is_revoked_again(&pair, id).await, "nothing was looked up");
    assert!(!one.admits(&key).await);
    one.follower.check_outdated().await;
    assert!(is_revoked_again(&pair, id).await);
    one.follower.poll(true).await.unwrap();
    assert!(!one.admits(&key).await);
}
