//! A clock of Redis that is wrong and is corrected, or that differs after a fail-over: a bucket opens within its own
//! period, and a step of the clock admits nothing more while a replica holds the bucket's state.

use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge};
use latchkey_core::limit::{BucketAlgorithm, BucketCharge, BucketOwner, CountingMode, RuleId};
use latchkey_testing::{Redis, RedisCluster, eventually_async};
use tokio::time::Instant;

use super::bench::{RedisBench, admitted, options};

const HOUR: i64 = 3_600;
const TIMEOUT: Duration = Duration::from_secs(5);
const MODES: [CountingMode; 2] = [CountingMode::Exact, CountingMode::Leased];
const ALGORITHMS: [BucketAlgorithm; 3] =
    [BucketAlgorithm::TokenBucket, BucketAlgorithm::FixedWindow, BucketAlgorithm::SlidingWindow];

/// Buckets of each algorithm and of each owner, with 20 tokens in two seconds.
fn buckets(bench: &RedisBench) -> Vec<BucketCharge> {
    let mut all = Vec::new();
    for algorithm in ALGORITHMS {
        for per in [BucketOwner::Key, BucketOwner::Tenant, BucketOwner::Ip] {
            let mut bucket = BucketCharge { algorithm, ..bucket_charge(bench, per, (20, 2, 20)) };
            bucket.bucket.rule = RuleId(algorithm as u32);
            all.push(bucket);
        }
    }
    all
}

/// Uses the buckets up, sets the clock, and expects them to open and to admit no more than their limit.
async fn open_within_their_period(bench: &RedisBench, set: impl Fn(i64), from: i64, to: i64) {
    set(from);
    let emptied = Instant::now();
    for bucket in buckets(bench) {
        while admitted(bench, bucket, 1).await == 1 {}
    }
    set(to);
    // A denial by a lease is repeated for up to 100 ms without a request to Redis.
    tokio::time::sleep(Duration::from_millis(150)).await;
    for bucket in buckets(bench) {
        let denied = charge(bench, &[bucket], 20).await;
        let Some(wait) = denied.levels[0].retry_after else {
            // On a slow machine, the bucket is full again.
            assert!(emptied.elapsed() > Duration::from_millis(1_500), "from {from} to {to}: {denied:?}");
            continue;
        };
        assert!(wait <= Duration::from_secs(2), "from {from} to {to}: {wait:?} for {bucket:?}");
    }
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    for bucket in buckets(bench) {
        let began = Instant::now();
        let passed = admitted(bench, bucket, 30).await;
        // On a slow machine, the bucket fills up again meanwhile.
        let most = if began.elapsed() < Duration::from_millis(300) { 24 } else { 30 };
        assert!((12..=most).contains(&passed), "from {from} to {to}: {passed} of {bucket:?}");
    }
}

#[tokio::test]
async fn a_bucket_opens_within_its_period_when_the_clock_of_redis_is_corrected() {
    for mode in MODES {
        let redis = Redis::start();
        let bench = RedisBench::on(&redis, mode, TIMEOUT).await;
        for (from, to) in [(HOUR, 0), (0, HOUR), (400 * 24 * HOUR, 0), (0, -HOUR)] {
            open_within_their_period(&bench, |ahead| redis.set_clock(ahead), from, to).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_a_cluster_opens_within_its_period_when_the_clocks_are_corrected() {
    let cluster = RedisCluster::start();
    let set = |ahead| cluster.nodes().iter().for_each(|node| node.set_clock(ahead));
    for mode in MODES {
        let bench = RedisBench::with(&options(&cluster.url(), TIMEOUT), mode).await;
        open_within_their_period(&bench, set, HOUR, 0).await;
    }
}

/// A bucket that is inspected and never charged is moved to the present too.
#[tokio::test]
async fn an_inspected_bucket_opens_too() {
    let redis = Redis::start();
    let bench = RedisBench::on(&redis, CountingMode::Exact, TIMEOUT).await;
    redis.set_clock(HOUR);
    let bucket = bucket_charge(&bench, BucketOwner::Key, (20, 10, 20));
    assert_eq!(admitted(&bench, bucket, 20).await, 20);
    redis.set_clock(0);
    assert!(super::bench::left(&bench, bucket).await < 5);
    let opens = async || (super::bench::left(&bench, bucket).await >= 10).then_some(());
    eventually_async("the bucket opens", opens).await;
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_admits_nothing_more_on_a_replica_that_remembers() {
    for mode in MODES {
        for algorithm in ALGORITHMS {
            let redis = Redis::start();
            let bench = RedisBench::on(&redis, mode, TIMEOUT).await;
            let bucket = bucket_charge(&bench, BucketOwner::Key, (10, 3_600, 10));
            let bucket = BucketCharge { algorithm, ..bucket };
            assert_eq!(admitted(&bench, bucket, 30).await, 10, "{mode:?} {algorithm:?}");
            for ahead in [2 * HOUR, 0, 4 * HOUR] {
                redis.set_clock(ahead);
                assert_eq!(admitted(&bench, bucket, 30).await, 0, "{mode:?} {algorithm:?} {ahead}");
            }
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_known() {
    let redis = Redis::start();
    let bench = RedisBench::on(&redis, CountingMode::Exact, TIMEOUT).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, (10, 3_600, 10));
    let offset = async || {
        assert!(charge(&bench, &[bucket], 1).await.granted);
        bench.limiter.clock_offset().expect("a response has arrived")
    };
    assert!(offset().await.abs() < 5.0);
    redis.set_clock(HOUR);
    assert!((offset().await - 3_600.0).abs() < 30.0);
    redis.set_clock(-HOUR);
    assert!((offset().await + 3_600.0).abs() < 30.0);
}
