//! Wake-ups have two transports, PostgreSQL's notifications and Redis. If one of them fails, the other one
//! propagates a revocation; if both fail, only the next poll does. Here the poll interval is five minutes and the
//! lease ten, so that a revocation that returns within the test's timeout was propagated by a wake-up.

use std::time::Duration;

use latchkey_proto::v1::RevokeKeyRequest;

use crate::cluster::{Cluster, ask, decides, patient};

async fn seldom_polling() -> Cluster {
    let seldom =
        [("LATCHKEY_CACHE_LEASE", "10m".to_owned()), ("LATCHKEY_FEED_POLL_INTERVAL", "5m".to_owned())];
    let cluster = Cluster::with(|_| [patient(), seldom.to_vec()].concat()).await;
    for replica in 0..3 {
        cluster.wait_for_log(replica, "subscribed to change notifications on Redis", 1);
    }
    cluster
}

/// Creates keys, and waits until every replica has cached them.
async fn keys<const N: usize>(cluster: &Cluster) -> [(String, String); N] {
    let mut keys = Vec::new();
    for _ in 0..N {
        let key = cluster.key().await;
        cluster.admitted_everywhere(&key.1).await;
        keys.push(key);
    }
    keys.try_into().expect("so many")
}

/// Revokes a key; returns true if the answer arrived before the timeout.
async fn reaches_every_replica(cluster: &Cluster, (id, value): (String, String), patience: Duration) -> bool {
    let spread = loop {
        let ask = RevokeKeyRequest { id: id.clone(), reason: String::new() };
        let mut revocation = tonic::Request::new(ask);
        revocation.set_timeout(patience);
        match cluster.operators[0].keys().revoke_key(revocation).await {
            Ok(_) => break true,
            // A busy machine may miss the deadline of the write.
            Err(status) if status.message().contains("the database did not answer") => {}
            Err(_) => break false,
        }
    };
    for operator in cluster.operators.iter().filter(|_| spread) {
        assert!(!decides(operator, ask(&value)).await);
    }
    spread
}

/// End of the lines about subscriptions.
const CHANGES: &str = " change notifications on Redis";

const TEST_TIMEOUT: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_spreads_a_revocation_when_the_database_s_notifications_are_cut() {
    let cluster = seldom_polling().await;
    let [first, second, third, fourth] = keys(&cluster).await;
    for replica in &cluster.replicas {
        replica.to_database.mute(true);
    }
    assert!(reaches_every_replica(&cluster, first, TEST_TIMEOUT).await);
    // The same holds over subscriptions that were killed and have been restored.
    let _ = cluster.redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for replica in 0..3 {
        cluster.wait_for_log(replica, "subscribed to change notifications on Redis", 2);
    }
    assert!(reaches_every_replica(&cluster, second, TEST_TIMEOUT).await);
    // Silent subscriptions are detected without an error.
    let [lost, subscribed] = ["lost the subscription to", "subscribed to"];
    let so_far =
        |words: &str| cluster.replicas[1].latchkey.log().matches(&format!("{words}{CHANGES}")).count();
    let before = so_far(lost);
    cluster.replicas[1].to_redis.mute(true);
    cluster.wait_for_log(1, &format!("{lost}{CHANGES}"), before + 1);
    assert!(
        !reaches_every_replica(&cluster, third, Duration::from_secs(2)).await,
        "nothing wakes that replica now, as this test assumes"
    );
    let before = so_far(subscribed);
    cluster.replicas[1].to_redis.mute(false);
    cluster.wait_for_log(1, &format!("{subscribed}{CHANGES}"), before + 1);
    assert!(reaches_every_replica(&cluster, fourth, TEST_TIMEOUT).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_s_notifications_spread_a_revocation_when_redis_hangs() {
    let cluster = seldom_polling().await;
    let [key] = keys(&cluster).await;
    cluster.redis.freeze();
    assert!(reaches_every_replica(&cluster, key, TEST_TIMEOUT).await);
    cluster.redis.thaw();
}

/// Creates keys. No wake-up is sent for a new key, and no replica is waited for: a replica looks the value up when it
/// is first sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_passes_everywhere_at_once_and_its_creation_waits_for_no_replica() {
    let cluster = seldom_polling().await;
    for _ in 0..20 {
        let (_, value) = cluster.key().await;
        for operator in &cluster.operators {
            assert!(decides(operator, ask(&value)).await);
        }
    }
    // A revocation would wait for this replica until its lease of ten minutes is over.
    cluster.replicas[2].to_database.refuse(true);
    let (_, value) = cluster.key().await;
    assert!(decides(&cluster.operators[1], ask(&value)).await);
}
