//! A limit holds however calls are distributed over the replicas. Without Redis, each replica counts by
//! itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use latchkey_proto::v1::CheckRequest;
use latchkey_testing::{Caller, eventually};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, allows, ask, patient};
use crate::figures::now;

fn classed(value: &str, class: &str) -> CheckRequest {
    CheckRequest { rate_class: class.to_owned(), ..ask(value) }
}

/// Sends calls as fast as possible until the time is up and all callers have sent enough; returns the numbers of allowed
/// calls and of all calls.
async fn load(
    caller: Caller,
    call: CheckRequest,
    (until, sent, enough): (Instant, Arc<AtomicU64>, u64),
) -> (u64, u64) {
    let (mut passed, mut calls) = (0, 0);
    while now() < until || sent.load(Ordering::SeqCst) < enough {
        passed += u64::from(allows(&caller, call.clone()).await == Ok(true));
        calls += 1;
        sent.fetch_add(1, Ordering::SeqCst);
    }
    (passed, calls)
}

/// Tests a limit under skewed load: one replica has six callers, one has two and one has a single one.
async fn skewed(cluster: &Cluster, class: &str, (rate, burst): (u64, u64)) {
    let (_, value) = cluster.key().await;
    cluster.admitted_everywhere(&value).await;
    let began = now();
    let until = began + Duration::from_secs(2);
    // A slow machine needs longer for as many calls as the burst has room for.
    let (sent, enough) = (Arc::<AtomicU64>::default(), 2 * burst);
    let mut loads = JoinSet::new();
    for (operator, callers) in cluster.operators.iter().zip([6, 2, 1]) {
        for _ in 0..callers {
            let end = (until, Arc::clone(&sent), enough);
            loads.spawn(load(operator.clone(), classed(&value, class), end));
        }
    }
    let (passed, calls) = loads.join_all().await.into_iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let took = began.elapsed();
    let most = burst + rate * u64::try_from(took.as_micros()).expect("seconds") / 1_000_000;
    // On a busy machine, Redis misses deadlines. For 20 ms afterwards, the replica counts by itself: the
    // tokens that are refilled in this time and one call of each caller may pass in addition, since no call is
    // refused because of an error.
    // Lines of the log are written in the background.
    let what = format!("{class}: {passed} of {calls} calls passed in {took:.1?}; {most} may");
    let missed = eventually(&what, || {
        let missed = cluster.logged("the call is counted in this process alone");
        (passed <= most + missed * (rate / 50 + 9)).then_some(missed)
    });
    println!("{what}; Redis missed {missed}");
    assert!(passed >= burst, "{class}: {passed} of {calls} passed in {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_keep_one_limit_under_skewed_load() {
    let cluster = Cluster::with(|_| patient()).await;
    for replica in 0..3 {
        cluster.wait_for_log(replica, "connected to Redis", 1);
    }
    for (class, limit) in [("exact", (20, 30)), ("leased", (300, 300))] {
        skewed(&cluster, class, limit).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_replica_limits_by_itself_and_fails_no_call() {
    let cluster = Cluster::with(|_| patient()).await;
    cluster.wait_for_log(0, "connected to Redis", 1);
    let (_, value) = cluster.key().await;
    cluster.redis.freeze();
    let call = || allows(&cluster.operators[0], classed(&value, "scarce"));
    for _ in 0..30 {
        assert_eq!(call().await, Ok(true));
    }
    let mut refused = false;
    for _ in 0..30 {
        refused |= call().await == Ok(false);
    }
    assert!(refused, "never unlimited");
    cluster.wait_for_log(0, "Redis does not respond", 1);
    cluster.redis.thaw();
    cluster.wait_for_log(0, "connected to Redis", 2);
}

/// A server that accepts connections and PINGs, and refuses every write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_memory_is_reported_once_in_its_own_words_and_refuses_no_call() {
    let cluster = Cluster::with(|_| patient()).await;
    let everywhere =
        |words| (0..cluster.replicas.len()).for_each(|replica| cluster.wait_for_log(replica, words, 1));
    everywhere("connected to Redis");
    let (_, value) = cluster.key().await;
    assert_eq!(cluster.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    everywhere("Redis refuses to count limits");
    everywhere("OOM command not allowed");
    let call = || allows(&cluster.operators[0], classed(&value, "exact"));
    assert_eq!(call().await, Ok(true));
    // This is longer than several attempts to connect.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(call().await, Ok(true));
    let replicas = cluster.operators.len() as u64;
    assert_eq!(cluster.logged("Redis refuses to count limits"), replicas);
    assert_eq!(cluster.logged("connected to Redis"), replicas);
    assert_eq!(cluster.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    cluster.wait_for_log(0, "connected to Redis", 2);
}
