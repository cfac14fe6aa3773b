//! Redis hangs, dies, loses its data and returns: calls are still counted, and none is denied because of it.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge};
use latchkey_core::limit::{BucketOwner, CountingMode};
use latchkey_redis::RedisLimiter;
use latchkey_testing::{Direction, Proxy, Redis};

use super::bench::{MonotonicClock, RedisBench, admitted, left, options};

const DEADLINE: Duration = Duration::from_millis(20);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);

async fn ten_spent(redis: &Redis, mode: CountingMode) -> (RedisBench, latchkey_core::limit::BucketCharge) {
    let bench = RedisBench::on(redis, mode, Duration::from_secs(5)).await;
    let bench = bench.beside(redis, DEADLINE).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&bench, bucket, 10).await, 10);
    (bench, bucket)
}

#[tokio::test]
async fn a_hung_redis_costs_a_few_calls_their_deadline_and_nobody_an_answer() {
    for mode in [CountingMode::Exact, CountingMode::Leased] {
        let redis = Redis::start();
        let (bench, bucket) = ten_spent(&redis, mode).await;
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
async fn a_dead_redis_that_returns_empty_starts_with_full_buckets() {
    let redis = Redis::start();
    let (bench, bucket) = ten_spent(&redis, CountingMode::Exact).await;
    redis.kill();
    assert_eq!(admitted(&bench, bucket, 60).await, 40);
    redis.restart();
    bench.until(true).await;
    assert_eq!(admitted(&bench, bucket, 60).await, 50);
}

#[tokio::test]
async fn forgotten_scripts_and_counts_are_made_again() {
    let redis = Redis::start();
    let (bench, bucket) = ten_spent(&redis, CountingMode::Leased).await;
    assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    let more = admitted(&bench, bucket, 60).await;
    assert!((50..=56).contains(&more), "{more}: a new bucket, and leased tokens of the old one");
    assert!(bench.limiter.is_shared());
}

#[tokio::test]
async fn an_invalid_key_is_replaced() {
    let redis = Redis::start();
    let (bench, bucket) = ten_spent(&redis, CountingMode::Exact).await;
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
async fn answers_that_come_too_late_or_never_are_done_without() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let options = options(&format!("redis://127.0.0.1:{}", proxy.port()), DEADLINE);
    let bench = RedisBench::with(&options, CountingMode::Exact).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    proxy.delay(Direction::Down, Duration::from_millis(200));
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
async fn nothing_at_that_address_is_no_reason_to_refuse() {
    let redis = Redis::start();
    redis.kill();
    let limiter = RedisLimiter::new(&options(&redis.url(), DEADLINE), Arc::new(MonotonicClock)).unwrap();
    assert!(!limiter.is_shared());
}
