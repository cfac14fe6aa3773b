//! Redis hangs, is killed, loses its data and returns: calls are still counted, and none is denied because of it.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge};
use latchkey_core::limit::{BucketOwner, CountingMode};
use latchkey_redis::RedisLimiter;
use latchkey_testing::{Direction, Proxy, Redis};

use super::bench::{MonotonicClock, RedisBench, admitted, left, options};

/// Deadline of calls to a Redis that does not respond in time, which a busy machine meets if it does.
const DEADLINE: Duration = Duration::from_millis(500);
/// Deadline of calls to a Redis that responds.
const PATIENT: Duration = Duration::from_secs(5);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);

async fn spend_ten(
    redis: &Redis,
    mode: CountingMode,
    deadline: Duration,
) -> (RedisBench, latchkey_core::limit::BucketCharge) {
    let bench = RedisBench::on(redis, mode, PATIENT).await;
    let bench = bench.beside(redis, deadline).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&bench, bucket, 10).await, 10);
    (bench, bucket)
}

#[tokio::test]
async fn a_hung_redis_delays_a_few_calls_and_fails_none() {
    for mode in [CountingMode::Exact, CountingMode::Leased] {
        let redis = Redis::start();
        let (bench, bucket) = spend_ten(&redis, mode, DEADLINE).await;
        redis.freeze();
        assert_eq!(admitted(&bench, bucket, 60).await, 40, "{mode:?}: the process's own bucket goes on");
        bench.until(false).await;
        let asked = bench.limiter.requests();
        assert_eq!(admitted(&bench, bucket, 20).await, 0);
        assert_eq!(bench.limiter.requests(), asked, "no call sends a request any more");
        redis.thaw();
        bench.until(true).await;
        assert!(charge(&bench, &[bucket], 0).await.granted);
    }
}

#[tokio::test]
async fn a_redis_that_restarts_empty_has_full_buckets() {
    let redis = Redis::start();
    let (bench, bucket) = spend_ten(&redis, CountingMode::Exact, PATIENT).await;
    redis.kill();
    assert_eq!(admitted(&bench, bucket, 60).await, 40);
    redis.restart();
    bench.until(true).await;
    assert_eq!(admitted(&bench, bucket, 60).await, 50);
}

#[tokio::test]
async fn flushed_scripts_and_counts_are_created_again() {
    let redis = Redis::start();
    let (bench, bucket) = spend_ten(&redis, CountingMode::Leased, PATIENT).await;
    assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    let more = admitted(&bench, bucket, 60).await;
    assert!((50..=56).contains(&more), "{more}: a new bucket, and leased tokens of the old one");
    assert!(bench.limiter.is_shared());
}

#[tokio::test]
async fn an_invalid_key_is_replaced() {
    let redis = Redis::start();
    let (bench, bucket) = spend_ten(&redis, CountingMode::Exact, PATIENT).await;
    let name = format!("latchkey:{{{:x}}}:key:{:x}:1:0:calls", bucket.shard_key, bucket.shard_key);
    for spoil in [&["DEL", &name] as &[&str], &["SET", &name, "1 2 x"], &["SET", &name, "nonsense"]] {
        redis.cli(spoil);
        assert_eq!(left(&bench, bucket).await, 50);
    }
    redis.cli(&["DEL", &name]);
    redis.cli(&["LPUSH", &name, "a list"]);
    assert_eq!(admitted(&bench, bucket, 60).await, 50);
    assert!(bench.limiter.is_shared());
}

#[tokio::test]
async fn calls_pass_without_answers_that_are_late_or_lost() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let options = options(&format!("redis://127.0.0.1:{}", proxy.port()), DEADLINE);
    let bench = RedisBench::with(&options, CountingMode::Exact).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    proxy.delay(Direction::Down, Duration::from_secs(2));
    assert_eq!(admitted(&bench, bucket, 10).await, 10);
    bench.until(false).await;
    proxy.delay(Direction::Down, Duration::ZERO);
    bench.until(true).await;
    for spoil in [Proxy::reset, |proxy: &Proxy| proxy.cut_after(Direction::Up, 10)] {
        spoil(&proxy);
        assert!(charge(&bench, &[bucket], 1).await.granted);
        bench.until(true).await;
    }
    proxy.black_hole(true);
    assert!(charge(&bench, &[bucket], 1).await.granted);
}

#[tokio::test]
async fn a_limiter_starts_without_a_redis_at_its_address() {
    let redis = Redis::start();
    redis.kill();
    let limiter = RedisLimiter::new(&options(&redis.url(), DEADLINE), Arc::new(MonotonicClock)).unwrap();
    assert!(!limiter.is_shared());
}
