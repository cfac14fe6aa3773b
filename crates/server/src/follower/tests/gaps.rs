//! Tests of a replica that was away while changes were pruned.

use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_management::ports::{AuditAction, KeyUpdateFn};

use super::revocation::ReplicaPair;
use super::*;

#[tokio::test]
async fn a_gap_takes_nothing_away_again_from_a_database_that_lost_nothing() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    let rule: KeyUpdateFn<'_> =
        Box::new(|key| Ok(KeyRecord { networks: vec!["10.0.0.0/8".parse().unwrap()], ..key.clone() }));
    pair.store.change_key(id, rule, audit_entry(AuditAction::KeyUpdate)).await.unwrap();
    one.follower.poll(true).await.unwrap();
    assert!(!one.admits(&key).await);
    one.link.loses_changes.store(true, Ordering::SeqCst);
    let newest = apply(&pair.store, DOCUMENT).await;
    one.follower.poll(true).await.unwrap();
    assert_eq!(one.follower.parts.cache.applied_revision(), newest);
    assert_eq!(pair.store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Active);
    assert_eq!(one.follower.status().reapplied, 0);
}
