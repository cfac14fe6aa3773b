//! Every cause in the table of docs/redis.md: Latchkey repeats Redis's error, admits calls by the process's own
//! buckets, and uses Redis again when the cause has ended. `refusing.rs` has the causes that commands can start and
//! end.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::CountingMode;
use latchkey_core::limit::conformance::{bucket_charge, charge};
use latchkey_core::limit::{BucketCharge, BucketId, BucketOwner};
use latchkey_redis::{Address, RedisLimiter, RedisOptions, probe};
use latchkey_testing::{Proxy, Redis, RedisCluster, eventually, eventually_async, free_port, replace_once};

use super::bench::{MonotonicClock, RedisBench, admitted, options};

const TIMEOUT: Duration = Duration::from_secs(5);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);
const PAGE: &str = include_str!("../../../../docs/redis.md");

/// Returns the text of the doctor's findings about a server.
async fn said(url: &str, ca: Option<&Redis>) -> String {
    let ca = ca.map(|redis| std::fs::read(redis.ca()).expect("the CA's file"));
    let nodes = probe(&Address::parse(url, ca).expect("an address")).await.expect("a client");
    match &nodes[0].seen {
        Ok(probe) => probe.refused.clone().unwrap_or_default(),
        Err(error) => error.0.clone(),
    }
}

/// Asserts that the doctor reports this text, that the documented table has a row for it, and that no limiter uses the
/// server.
async fn is_refused(url: &str, ca: Option<&Redis>, words: &str) {
    let row = PAGE.lines().any(|line| line.starts_with("| `") && line.contains(words));
    assert!(row, "docs/redis.md has no row for {words}");
    let text = said(url, ca).await;
    assert!(text.contains(words) && !text.contains("hunter2"), "{words}: {text}");
    is_not_used(url, ca, words).await;
}

async fn is_not_used(url: &str, ca: Option<&Redis>, words: &str) {
    let ca = ca.map(|redis| std::fs::read(redis.ca()).expect("the CA's file"));
    let address = Address::parse(url, ca).expect("an address");
    let options = RedisOptions { address, deadline: TIMEOUT };
    let limiter = RedisLimiter::new(&options, Arc::new(MonotonicClock)).expect("a limiter");
    let bounded = tokio::time::timeout(Duration::from_secs(1), limiter.maintain()).await;
    assert!(bounded.is_err() && !limiter.is_shared(), "{words}");
}

fn at(redis: &Redis, user: &str) -> String {
    format!("redis://{user}127.0.0.1:{}", redis.port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_missing_or_wrong() {
    let redis = Redis::with(&["--requirepass", "hunter22"]);
    is_refused(&at(&redis, ""), None, "NOAUTH").await;
    is_refused(&at(&redis, ":hunter2@"), None, "authentication failed").await;
    let bench = RedisBench::with(&options(&at(&redis, ":hunter22@"), TIMEOUT), CountingMode::Exact).await;
    assert!(bench.limiter.is_shared());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_no_connection_to_give() {
    let redis = Redis::start();
    assert_eq!(redis.cli(&["CONFIG", "SET", "maxclients", "1"]), "OK");
    let _only = std::net::TcpStream::connect(("127.0.0.1", redis.port())).expect("a connection");
    let text = said(&redis.url(), None).await;
    assert!(["maxclients", "max number of clients"].iter().any(|words| text.contains(words)), "{text}");
    is_not_used(&redis.url(), None, "maxclients").await;
    assert!(PAGE.contains("`max number of clients reached`"));
}

/// A real load of a file that takes seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loads_its_file_is_used_when_it_has_it() {
    let slowly = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let options = [&slowly[..], &["--enable-debug-command", "yes"]].concat();
    let redis = Redis::with(&options);
    let bench = RedisBench::on(&redis, CountingMode::Exact, TIMEOUT).await;
    redis.cli(&["DEBUG", "POPULATE", "8000", "key", "40"]);
    assert_eq!(redis.cli(&["SAVE"]), "OK");
    redis.kill();
    redis.restart();
    is_refused(&redis.url(), None, "LOADING").await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert!(charge(&bench, &[bucket], 1).await.granted);
    bench.until(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_of_another_program_that_runs_for_long() {
    let redis = Redis::with(&["--busy-reply-threshold", "50"]);
    let bench = RedisBench::on(&redis, CountingMode::Exact, TIMEOUT).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&bench, bucket, 10).await, 10);
    std::thread::scope(|scope| {
        scope.spawn(|| redis.cli(&["EVAL", "while true do end", "0"]));
        eventually("the script runs", || redis.cli(&["PING"]).contains("BUSY").then_some(()));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                bench.until(false).await;
                assert_eq!(admitted(&bench, bucket, 60).await, 40, "the process's own bucket goes on");
                is_refused(&redis.url(), None, "BUSY").await;
            });
        });
        assert_eq!(redis.cli(&["SCRIPT", "KILL"]), "OK");
    });
    bench.until(true).await;
}

/// A node of a cluster, named as if it were a server by itself: also if the first bucket is in one of its slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_is_not_taken_for_a_server() {
    let cluster = RedisCluster::start();
    for node in cluster.nodes() {
        for _ in 0..4 {
            is_not_used(&node.url(), None, "CROSSSLOT").await;
        }
    }
    assert!(PAGE.contains("| `CROSSSLOT`"));
    let bus = free_port().to_string();
    let empty = Redis::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    is_not_used(&empty.url(), None, "CLUSTERDOWN").await;
    is_refused(&replace_once(&empty.url(), "redis:", "redis+cluster:"), None, "ClusterConnectionNotFound")
        .await;
}

/// Slots that moved, and one that is being moved (ASK).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_follow_their_slots() {
    let cluster = RedisCluster::start();
    let bench = RedisBench::with(&options(&cluster.url(), TIMEOUT), CountingMode::Exact).await;
    let [first, second, _] = cluster.nodes() else { panic!("three nodes") };
    let id = |redis: &Redis| redis.cli(&["CLUSTER", "MYID"]);
    let ports = [first.port(), second.port()];
    let owners =
        (30_000u128..31_000).filter(|owner| ports[0] == cluster.holder(&format!("{{{owner:x}}}")).port());
    let owners: Vec<u128> = owners.take(2).collect();
    for (owner, moved) in owners.into_iter().zip([true, false]) {
        let slot = first.cli(&["CLUSTER", "KEYSLOT", &format!("{{{owner:x}}}")]);
        if moved {
            for node in cluster.nodes() {
                assert_eq!(node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(second)]), "OK");
            }
        } else {
            assert_eq!(second.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(first)]), "OK");
            assert_eq!(first.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(second)]), "OK");
        }
        let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
        let bucket =
            BucketCharge { shard_key: owner, bucket: BucketId { subject: owner, ..bucket.bucket }, ..bucket };
        assert_eq!(admitted(&bench, bucket, 60).await, 50, "moved: {moved}");
        let keys = || second.cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot]);
        eventually_async("the bucket is on the other node", async || (keys() == "1").then_some(())).await;
    }
    assert!(bench.limiter.is_shared());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_fails_in_any_way() {
    let (gone, frozen, tls, stranger) = (Redis::start(), Redis::start(), Redis::tls(), Redis::tls());
    gone.kill();
    is_refused(&gone.url(), None, "Connection refused").await;
    frozen.freeze();
    let text = said(&frozen.url(), None).await;
    assert!(text.contains("timed out") || text.contains("no response in time"), "{text}");
    is_not_used(&frozen.url(), None, "no response in time").await;
    assert!(PAGE.contains("`no response in time`"));
    is_refused(&tls.url(), Some(&stranger), "invalid peer certificate").await;
    // A server that closes at once, as one of TLS does to plain text.
    is_not_used(&replace_once(&tls.url(), "rediss:", "redis:"), None, "plain text to TLS").await;
    let wanted = Redis::tls_with(&["--tls-auth-clients", "yes"]);
    let text = said(&wanted.url(), Some(&wanted)).await;
    assert!(text.contains("alert"), "{text}");
    is_not_used(&wanted.url(), Some(&wanted), "received fatal alert").await;
    assert!(PAGE.contains("`received fatal alert`"));
    // A server without TLS, and a Sentinel without it.
    let plain = Redis::start();
    for url in [
        replace_once(&plain.url(), "redis:", "rediss:"),
        format!("rediss+sentinel://127.0.0.1:{}/x", plain.port()),
    ] {
        is_refused(&url, None, "responds without TLS").await;
    }
    let proxy = Proxy::to(tls.port());
    proxy.refuse(true);
    is_not_used(&format!("redis://127.0.0.1:{}", proxy.port()), None, "a closed connection").await;
}
