//! Revocations under every fault of the stores: no call that began after the answer may pass.

use std::time::Duration;

use latchkey_proto::v1::RevokeKeyRequest;
use latchkey_testing::{Direction, eventually_async, unread};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, LEASE, allows, ask, decides, patient, rounds};
use crate::figures::now;
use crate::meter::LatencySamples;

async fn measure(cluster: &Cluster, condition: &str, rounds: usize) {
    let mut seen = LatencySamples::default();
    for round in 0..rounds {
        let key = cluster.key().await;
        cluster.admitted_everywhere(&key.1).await;
        seen.round(cluster, key, round % 3).await;
    }
    seen.judge(condition);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_passes_after_the_answer() {
    let cluster = Cluster::start().await;
    measure(&cluster, "quiet", rounds(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_passes_after_the_answer_with_wake_ups_cut() {
    let cluster = Cluster::start().await;
    for replica in &cluster.replicas {
        replica.to_database.mute(true);
    }
    measure(&cluster, "wake-ups cut", rounds(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_passes_after_the_answer_with_redis_stopped() {
    let cluster = Cluster::start().await;
    cluster.redis.freeze();
    measure(&cluster, "Redis stopped", rounds(10)).await;
    cluster.redis.thaw();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_passes_after_the_answer_on_a_replica_that_is_cut_off() {
    let cluster = Cluster::start().await;
    let mut seen = LatencySamples::default();
    for round in 0..rounds(5) {
        let key = cluster.key().await;
        cluster.admitted_everywhere(&key.1).await;
        cluster.replicas[2].to_database.black_hole(true);
        seen.round(&cluster, key, round % 2).await;
        cluster.replicas[2].to_database.black_hole(false);
    }
    seen.judge("one replica cut off from PostgreSQL");
}

/// Sends Checks of keys that are not cached. The results of one replica's queries are delayed, so that the
/// revocation overtakes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_of_the_database_revives_no_key() {
    let cluster = Cluster::start().await;
    cluster.replicas[2].to_database.delay(Direction::Down, Duration::from_millis(15));
    let mut seen = LatencySamples::default();
    for round in 0..rounds(20) {
        seen.round(&cluster, cluster.key().await, round % 2).await;
    }
    seen.judge("late fills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_stopped_forgets_what_its_lease_outlived() {
    let cluster = Cluster::start().await;
    let key = cluster.key().await;
    cluster.admitted_everywhere(&key.1).await;
    cluster.replicas[2].latchkey.signal(latchkey_testing::Signal::STOP);
    let sent = now();
    cluster.operators[0].revoke(&key.0).await;
    assert!(sent.elapsed() <= 150 * LEASE, "one lease, and not for ever: {:?}", sent.elapsed());
    // The calls are sent while the replica is stopped, and answered when it continues.
    let asked: JoinSet<_> = (0..20)
        .map(|_| {
            let (caller, value) = (cluster.operators[2].clone(), key.1.clone());
            async move { allows(&caller, ask(&value)).await }
        })
        .collect();
    let whole = 20 * u64::try_from(key.1.len()).expect("a short key");
    let sent = async || (unread(cluster.replicas[2].latchkey.grpc()) >= whole).then_some(());
    eventually_async("all of them wait at its port", sent).await;
    cluster.replicas[2].latchkey.signal(latchkey_testing::Signal::CONT);
    let answers = asked.join_all().await;
    assert!(answers.iter().all(|answer| *answer != Ok(true)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_gives_up_early_says_that_the_change_is_committed() {
    // The deadline is shorter than the lease, and longer than a busy machine needs for a commit.
    let cluster = Cluster::with(|_| patient()).await;
    let key = cluster.key().await;
    cluster.admitted_everywhere(&key.1).await;
    cluster.replicas[2].to_database.black_hole(true);
    let revocation = RevokeKeyRequest { id: key.0.clone(), reason: String::new() };
    let mut early = tonic::Request::new(revocation);
    early.set_timeout(Duration::from_secs(12));
    let status = cluster.operators[0].keys().revoke_key(early).await.expect_err("one replica is cut off");
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    assert!(status.message().contains("the change is committed"), "{status:?}");
    for operator in &cluster.operators[..2] {
        assert!(!decides(operator, ask(&key.1)).await, "it is");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_ends_in_good_order_is_not_waited_for_and_a_killed_one_is() {
    let cluster = Cluster::start().await;
    let (ended, killed) = (cluster.key().await, cluster.key().await);
    cluster.replicas[2].latchkey.signal(latchkey_testing::Signal::TERM);
    assert!(cluster.replicas[2].latchkey.wait().success());
    let left = "SELECT count(*) FROM replicas WHERE NOT departed";
    let left = cluster.postgres.sql(&cluster.postgres.url("test_0"), left);
    assert_eq!(left, "2", "it has said that it trusts nothing any more");
    cluster.operators[0].revoke(&ended.0).await;
    cluster.replicas[1].latchkey.kill();
    cluster.operators[0].revoke(&killed.0).await;
    assert!(!decides(&cluster.operators[0], ask(&killed.1)).await);
}
