//! Redis hangs, dies, forgets, and comes back: calls go on being counted, none is refused because of it.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::suite::{demand, spend};
use latchkey_core::limit::{Mode, Per};
use latchkey_redis::RedisLimiter;
use latchkey_testing::{Direction, Proxy, Redis};

use super::bench::{Real, Steady, admitted, left, options};

const DEADLINE: Duration = Duration::from_millis(20);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);

async fn ten_spent(redis: &Redis, mode: Mode) -> (Real, latchkey_core::limit::Demand) {
    let real = Real::on(redis, mode, Duration::from_secs(5)).await;
    let real = real.beside(redis, DEADLINE).await;
    let bucket = demand(&real, Per::Key, SLOW);
    assert_eq!(admitted(&real, bucket, 10).await, 10);
    (real, bucket)
}

#[tokio::test]
async fn a_hung_redis_costs_a_few_calls_their_deadline_and_nobody_an_answer() {
    for mode in [Mode::Exact, Mode::Leased] {
        let redis = Redis::start();
        let (real, bucket) = ten_spent(&redis, mode).await;
        redis.freeze();
        assert_eq!(admitted(&real, bucket, 60).await, 40, "{mode:?}: the process's own bucket goes on");
        real.until(false).await;
        let asked = real.limiter.asked();
        assert_eq!(admitted(&real, bucket, 20).await, 0);
        assert_eq!(real.limiter.asked(), asked, "nobody asks any more");
        redis.thaw();
        real.until(true).await;
        assert!(spend(&real, &[bucket], 0).await.granted);
    }
}

#[tokio::test]
async fn a_dead_redis_that_comes_back_empty_counts_anew() {
    let redis = Redis::start();
    let (real, bucket) = ten_spent(&redis, Mode::Exact).await;
    redis.kill();
    assert_eq!(admitted(&real, bucket, 60).await, 40);
    redis.restart();
    real.until(true).await;
    assert_eq!(admitted(&real, bucket, 60).await, 50);
}

#[tokio::test]
async fn forgotten_scripts_and_counts_are_made_again() {
    let redis = Redis::start();
    let (real, bucket) = ten_spent(&redis, Mode::Leased).await;
    assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    let more = admitted(&real, bucket, 60).await;
    assert!((50..=56).contains(&more), "{more}: a new bucket, and what lay here of the old one");
    assert!(real.limiter.is_shared());
}

#[tokio::test]
async fn a_spoiled_key_is_replaced() {
    let redis = Redis::start();
    let (real, bucket) = ten_spent(&redis, Mode::Exact).await;
    let name = format!("latchkey:{{{:x}}}:key:{:x}:1:0", bucket.owner, bucket.owner);
    for spoil in [&["DEL", &name] as &[&str], &["SET", &name, "1 2 x"], &["SET", &name, "nonsense"]] {
        redis.cli(spoil);
        assert_eq!(left(&real, bucket).await, 50);
    }
    redis.cli(&["DEL", &name]);
    redis.cli(&["LPUSH", &name, "a list"]);
    assert_eq!(admitted(&real, bucket, 60).await, 50);
    assert!(real.limiter.is_shared());
}

#[tokio::test]
async fn answers_that_come_too_late_or_never_are_done_without() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let options = options(&format!("redis://127.0.0.1:{}", proxy.port()), DEADLINE);
    let real = Real::with(&options, Mode::Exact).await;
    let bucket = demand(&real, Per::Key, SLOW);
    proxy.delay(Direction::Down, Duration::from_millis(200));
    assert_eq!(admitted(&real, bucket, 10).await, 10);
    real.until(false).await;
    proxy.delay(Direction::Down, Duration::ZERO);
    real.until(true).await;
    for spoil in [Proxy::reset, |proxy: &Proxy| proxy.cut_after(Direction::Up, 10)] {
        spoil(&proxy);
        assert!(spend(&real, &[bucket], 1).await.granted);
        real.until(true).await;
    }
    proxy.black_hole(true);
    assert!(spend(&real, &[bucket], 1).await.granted);
}

#[tokio::test]
async fn nothing_at_that_address_is_no_reason_to_refuse() {
    let redis = Redis::start();
    redis.kill();
    let limiter = RedisLimiter::new(&options(&redis.url(), DEADLINE), Arc::new(Steady)).unwrap();
    assert!(!limiter.is_shared());
}
