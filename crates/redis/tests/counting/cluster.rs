//! A real Redis Cluster: a call's buckets in one slot or in two are charged together or not at all; and a node
//! fails.

use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge, charge_limiter};
use latchkey_core::limit::{
    BucketAlgorithm, BucketCharge, BucketOwner, ChargeOptions, ChargeResult, CountingMode,
};
use latchkey_core::time::Clock as _;
use latchkey_redis::probe;
use latchkey_testing::{RedisCluster, eventually_async};

use super::bench::{MonotonicClock, RedisBench, admitted, left, options};

const TEST_TIMEOUT: Duration = Duration::from_secs(5);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);

/// Returns the same bucket of another tenant or address.
fn of(demand: BucketCharge, owner: u128) -> BucketCharge {
    let mut of = demand;
    (of.shard_key, of.bucket.subject) = (owner, owner);
    of
}

/// Returns the first tenant at or after `from` whose buckets are on this node.
fn on_node(cluster: &RedisCluster, node: usize, from: u128) -> u128 {
    let port = cluster.nodes()[node].port();
    let there = |owner: &u128| cluster.holder(&format!("{{{owner:x}}}")).port() == port;
    (from..from + 1_000).find(there).expect("every node has some of them")
}

async fn bench(cluster: &RedisCluster, mode: CountingMode) -> RedisBench {
    RedisBench::with(&options(&cluster.url(), TEST_TIMEOUT), mode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_limits_on_every_node() {
    let cluster = RedisCluster::start();
    for mode in [CountingMode::Exact, CountingMode::Leased] {
        let replicas = [bench(&cluster, mode).await, bench(&cluster, mode).await];
        for node in 0..3 {
            let owner = on_node(&cluster, node, 1_000 + mode as u128 * 1_000);
            let bucket = of(bucket_charge(&replicas[0], BucketOwner::Key, SLOW), owner);
            let tenant = BucketCharge {
                bucket: latchkey_core::limit::BucketId { per: BucketOwner::Tenant, ..bucket.bucket },
                ..bucket
            };
            let mut passed = 0;
            for round in 0..80 {
                let replica = &replicas[round % 2];
                let spending = charge(replica, &[bucket, tenant], 1).await;
                passed += usize::from(spending.granted);
            }
            let least = if mode == CountingMode::Exact { 50 } else { 40 };
            assert!((least..=50).contains(&passed), "{mode:?} on node {node}: {passed}");
        }
        assert!(replicas.iter().all(|replica| replica.limiter.is_shared()));
    }
}

/// A call that is charged to its tenant and to its client's address, which are on different nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_in_different_slots_are_charged_together_or_not_at_all() {
    let cluster = RedisCluster::start();
    for mode in [CountingMode::Exact, CountingMode::Leased] {
        let bench = bench(&cluster, mode).await;
        let from = 5_000 + mode as u128 * 1_000;
        let (one, other) = (on_node(&cluster, 0, from), on_node(&cluster, 2, from));
        for (scarce, plenty) in [(one, other), (other, one)] {
            let scarce = of(bucket_charge(&bench, BucketOwner::Key, (1, 3_600, 10)), scarce);
            let mut plenty = of(bucket_charge(&bench, BucketOwner::Ip, (1, 3_600, 400)), plenty);
            plenty.bucket.per = BucketOwner::Ip;
            let mut passed = 0;
            for _ in 0..30 {
                let ChargeResult { granted, levels } = charge(&bench, &[scarce, plenty], 1).await;
                assert_eq!(levels.len(), 2);
                passed += u64::from(granted);
            }
            assert_eq!(passed, 10, "{mode:?}");
            bench.limiter.give_back(true).await;
            assert_eq!(left(&bench, plenty).await, 390, "{mode:?}: a denied call returned its tokens");
            assert_eq!(left(&bench, scarce).await, 0, "{mode:?}");
        }
    }
}

#[tokio::test]
async fn a_window_gets_back_what_a_refused_call_took() {
    let cluster = RedisCluster::start();
    let bench = bench(&cluster, CountingMode::Exact).await;
    let window = |owner, limit| {
        let of = of(bucket_charge(&bench, BucketOwner::Key, limit), owner);
        BucketCharge { algorithm: BucketAlgorithm::FixedWindow, ..of }
    };
    for (scarce, plenty) in [(0, 1), (1, 0)] {
        let from = 9_000 + 2_000 * scarce as u128;
        let (scarce, plenty) = (on_node(&cluster, scarce, from), on_node(&cluster, plenty, from));
        let scarce = window(scarce, (3, 3_600, 3));
        // The second limit has another period, so that the bucket keeps the window of the first one besides its own.
        for limit in [(100, 3_600, 100), (100, 7_200, 100)] {
            let plenty = window(plenty, limit);
            for _ in 0..9 {
                let _ = charge(&bench, &[plenty, scarce], 1).await;
            }
            assert_eq!((left(&bench, plenty).await, left(&bench, scarce).await), (97, 0), "{limit:?}");
        }
        assert_eq!(left(&bench, window(plenty, (100, 3_600, 100))).await, 97);
    }
}

/// The limits of an address have rates of their own, and a call under one of them counts in the others.
#[tokio::test]
async fn calls_that_a_tenant_denies_empty_no_other_limit_of_their_address() {
    let cluster = RedisCluster::start();
    let bench = bench(&cluster, CountingMode::Exact).await;
    let (one, other) = (on_node(&cluster, 0, 15_000), on_node(&cluster, 2, 15_000));
    for (tenant, address) in [(one, other), (other, one)] {
        let scarce = of(bucket_charge(&bench, BucketOwner::Key, (1, 3_600, 3)), tenant);
        let low = of(bucket_charge(&bench, BucketOwner::Ip, (1, 3_600, 10)), address);
        let high = of(bucket_charge(&bench, BucketOwner::Ip, (1_000, 1, 1_000)), address);
        assert_eq!(admitted(&bench, low, 1).await, 1);
        let mut passed = 0;
        for _ in 0..30 {
            passed += u64::from(charge(&bench, &[high, scarce], 1).await.granted);
        }
        assert_eq!((passed, left(&bench, low).await), (3, 6));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_node_delays_a_few_calls_of_its_tenants_and_fails_none() {
    let cluster = RedisCluster::start();
    let bench = RedisBench::with(&options(&cluster.url(), Duration::from_secs(1)), CountingMode::Exact).await;
    let bucket = |node| of(bucket_charge(&bench, BucketOwner::Key, SLOW), on_node(&cluster, node, 20_000));
    let (here, there) = (bucket(1), bucket(2));
    assert_eq!(admitted(&bench, here, 10).await + admitted(&bench, there, 10).await, 20);
    cluster.nodes()[2].freeze();
    assert_eq!(admitted(&bench, there, 60).await, 40, "the process continues from the last known level");
    let asked = bench.limiter.requests();
    assert_eq!(admitted(&bench, here, 60).await, 40, "the other nodes still count");
    assert!(bench.limiter.requests() >= asked + 60, "by requests to Redis");
    cluster.nodes()[2].thaw();
    // Redis itself has counted ten calls and those whose response was late; the process has counted fifty.
    eventually_async("the node is in use again", async || {
        let asked = bench.limiter.requests();
        let options = ChargeOptions { cost: 1, dry_run: true };
        let look = charge_limiter(&*bench.limiter, &[there], options, MonotonicClock.now()).await;
        (bench.limiter.requests() > asked && look.levels[0].remaining > 0).then_some(())
    })
    .await;
}

/// Each process has trial buckets in slots of its own, some of them on the node that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_starts_while_a_node_is_gone_uses_the_others() {
    let cluster = RedisCluster::start();
    for node in cluster.nodes() {
        assert_eq!(node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]), "OK");
    }
    cluster.nodes()[2].kill();
    let options = options(&cluster.url(), Duration::from_secs(1));
    for round in 0..8 {
        let bench = RedisBench::with(&options, CountingMode::Exact).await;
        let owner = on_node(&cluster, 1, 30_000 + round * 1_000);
        let bucket = of(bucket_charge(&bench, BucketOwner::Key, SLOW), owner);
        let requests = bench.limiter.requests();
        assert_eq!(admitted(&bench, bucket, 60).await, 50);
        assert_eq!(bench.limiter.requests(), requests + 60, "by requests to Redis");
    }
    let nodes = probe(&options.address).await.expect("the address is right");
    let seen: Vec<_> = nodes.iter().filter_map(|node| node.seen.as_ref().ok()).collect();
    assert!(seen.iter().any(|seen| seen.refused.is_some() && seen.counts_partly), "{nodes:?}");
}

/// With `cluster-require-full-coverage no`, the state of the cluster stays `ok`.
#[tokio::test]
async fn slots_that_no_node_serves_are_noticed() {
    let cluster = RedisCluster::start();
    for node in cluster.nodes() {
        assert_eq!(node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]), "OK");
        assert_eq!(node.cli(&["CLUSTER", "DELSLOTSRANGE", "8000", "8255"]), "OK");
    }
    let address = options(&cluster.url(), TEST_TIMEOUT).address;
    eventually_async("the doctor notices them", async || {
        let nodes = probe(&address).await.expect("the address is right");
        let mut seen = nodes.iter().filter_map(|node| node.seen.as_ref().ok());
        seen.any(|seen| seen.missing_slots == 256).then_some(())
    })
    .await;
}

/// Rights of a user in a cluster, as `docs/redis.md` lists them, without those of the doctor.
const ACL: &str = "on >hunter2 resetkeys ~latchkey:* resetchannels &latchkey:* -@all +evalsha +eval +time +get +set \
                   +del +subscribe +publish +cluster|slots +ping +asking";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_least_rights_suffices_on_every_node() {
    let cluster = RedisCluster::start();
    let words: Vec<&str> = ["ACL", "SETUSER", "latchkey"].into_iter().chain(ACL.split_whitespace()).collect();
    for node in cluster.nodes() {
        assert_eq!(node.cli(&words), "OK");
    }
    let url = format!("redis+cluster://latchkey:hunter2@127.0.0.1:{}", cluster.nodes()[0].port());
    let options = options(&url, TEST_TIMEOUT);
    let bench = RedisBench::with(&options, CountingMode::Exact).await;
    for node in 0..3 {
        let owner = on_node(&cluster, node, 50_000);
        let bucket = of(bucket_charge(&bench, BucketOwner::Key, SLOW), owner);
        let requests = bench.limiter.requests();
        assert_eq!(admitted(&bench, bucket, 60).await, 50, "node {node}");
        assert_eq!(bench.limiter.requests(), requests + 60, "by requests to Redis");
    }
    let nodes = probe(&options.address).await.expect("the address is right");
    let seen = nodes[0].seen.as_ref().expect("it responds");
    assert!(seen.refused.is_none() && !seen.latency.is_zero(), "{seen:?}");
    assert!(seen.unreadable.as_ref().is_some_and(|error| error.contains("NOPERM")), "{seen:?}");
}
