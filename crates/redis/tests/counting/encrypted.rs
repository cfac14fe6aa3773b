//! Redis over TLS: trusted by its CA and not otherwise.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::conformance::bucket_charge;
use latchkey_core::limit::{BucketOwner, CountingMode};
use latchkey_redis::{Address, RedisLimiter, RedisOptions};
use latchkey_testing::{Proxy, Redis, eventually_async, replace_once};

use super::bench::{MonotonicClock, RedisBench, admitted};

fn options(url: &str, ca: Option<&Redis>) -> RedisOptions {
    let ca = ca.map(|redis| std::fs::read(redis.ca()).expect("the CA's file"));
    RedisOptions { address: Address::parse(url, ca).expect("an address"), deadline: Duration::from_secs(5) }
}

#[tokio::test]
async fn limits_are_counted_over_tls() {
    let redis = Redis::tls();
    let options = options(&redis.url(), Some(&redis));
    let (one, mut other) = (
        RedisBench::with(&options, CountingMode::Exact).await,
        RedisBench::with(&options, CountingMode::Exact).await,
    );
    let bucket = bucket_charge(&one, BucketOwner::Key, (1, 3_600, 50));
    other.subject = one.subject;
    assert_eq!(admitted(&one, bucket, 30).await + admitted(&other, bucket, 30).await, 50);
}

/// A CA that has not signed its certificate, the system's CAs, and no TLS at all.
#[tokio::test]
async fn a_redis_without_a_valid_certificate_gets_no_request() {
    let (redis, stranger) = (Redis::tls(), Redis::tls());
    let proxy = Proxy::to(redis.port());
    let url = replace_once(&redis.url(), &redis.port().to_string(), &proxy.port().to_string());
    let plain = replace_once(&url, "rediss:", "redis:");
    for options in [options(&url, Some(&stranger)), options(&url, None), options(&plain, None)] {
        let limiter = RedisLimiter::new(&options, Arc::new(MonotonicClock)).unwrap();
        let before = proxy.connections();
        let tried = async || (proxy.connections() >= before + 3).then_some(());
        tokio::select! {
            () = limiter.maintain() => panic!("the limiter keeps trying"),
            () = eventually_async("the limiter keeps trying", tried) => {}
        }
        assert!(!limiter.is_shared());
    }
}
