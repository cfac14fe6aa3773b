//! Tests of tables that a person has altered, or restored without the others.

use latchkey_core::id::KeyId;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_management::ports::KeyUpdateFn;

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

/// Puts the row of the key back as it was at a revision.
fn put_back(pair: &ReplicaPair, revision: u64) {
    let text = format!(
        "UPDATE keys SET state = 'active', revoked_at = NULL, revoke_reason = NULL, revision = {revision}"
    );
    sql(&pair.folder, &text);
}

/// Revokes the key, and puts its row back as it was before. Returns its revision.
async fn put_the_key_back(pair: &ReplicaPair, id: KeyId) -> u64 {
    let before = pair.store.key(id).await.unwrap().unwrap().revision;
    pair.write_revocation(id).await;
    for replica in &pair.replicas {
        replica.follower.poll(true).await.unwrap();
    }
    put_back(pair, before);
    assert_eq!(pair.store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Active);
    before
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
async fn a_replica_that_applied_the_revocation_revokes_again_after_the_first_look_up() {
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

#[tokio::test]
async fn a_repair_that_failed_is_tried_again_after_a_minute() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    put_the_key_back(&pair, id).await;
    assert!(!one.admits(&key).await);
    sql(&pair.folder, "UPDATE changes SET effect = 'un' || effect WHERE effect IS NOT NULL");
    one.follower.check_outdated().await;
    sql(&pair.folder, "UPDATE changes SET effect = substr(effect, 3) WHERE effect IS NOT NULL");
    one.follower.check_outdated().await;
    assert!(!is_revoked_again(&pair, id).await, "a minute has not passed");
    pair.clock.advance(Duration::from_secs(60));
    one.follower.check_outdated().await;
    assert!(is_revoked_again(&pair, id).await);
}

#[tokio::test]
async fn a_look_up_that_is_refused_within_a_minute_of_a_repair_leads_to_another() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    let before = put_the_key_back(&pair, id).await;
    assert!(!one.admits(&key).await);
    one.follower.check_outdated().await;
    one.follower.poll(true).await.unwrap();
    put_back(&pair, before);
    assert!(!one.admits(&key).await);
    one.follower.check_outdated().await;
    assert_eq!(written_again(&pair.store).await, ["key.revoke_again"]);
    pair.clock.advance(Duration::from_secs(60));
    one.follower.check_outdated().await;
    assert_eq!(written_again(&pair.store).await, ["key.revoke_again"; 2]);
}

#[tokio::test]
async fn refused_look_ups_are_noticed_beside_the_polls() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    put_the_key_back(&pair, id).await;
    assert!(!one.admits(&key).await);
    let repaired = async {
        while !is_revoked_again(&pair, id).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = one.follower.watch_outdated() => panic!("it runs until it is dropped"),
        repaired = tokio::time::timeout(Duration::from_mins(1), repaired) => repaired.unwrap(),
    }
}

/// Disables the key and enables it again, and suspends its tenant; then puts both rows back as they were before.
async fn put_both_back(pair: &ReplicaPair, id: KeyId) {
    let before = pair.store.key(id).await.unwrap().unwrap();
    for lifecycle in [KeyLifecycle::Disabled, KeyLifecycle::Active] {
        let rule: KeyUpdateFn<'_> =
            Box::new(|key| Ok(KeyRecord { lifecycle: lifecycle.clone(), ..key.clone() }));
        pair.store.change_key(id, rule, audit_entry(AuditAction::KeyUpdate)).await.unwrap();
    }
    let rule = Box::new(|tenant: &TenantRecord| Ok(TenantRecord { suspended: true, ..tenant.clone() }));
    let audit = audit_entry(AuditAction::TenantSuspend);
    pair.store.change_tenant(before.tenant, rule, audit).await.unwrap();
    put_back(pair, before.revision);
    sql(&pair.folder, "UPDATE tenants SET suspended = false, revision = 1");
}

#[tokio::test]
async fn access_that_a_later_page_gives_back_is_not_taken_away_and_the_rest_is() {
    let (pair, id, _) = ReplicaPair::with([LEASE; 2]).await;
    put_both_back(&pair, id).await;
    let [one, _] = &pair.replicas;
    one.follower.reapply_in_pages(1).await.unwrap();
    assert_eq!(written_again(&pair.store).await, ["tenant.suspend_again"]);
    assert_eq!(pair.store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Active);
}
