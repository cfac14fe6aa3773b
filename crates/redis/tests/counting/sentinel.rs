//! Real Sentinels: limits and notifications follow the primary, and no call is denied meanwhile.

use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge};
use latchkey_core::limit::{BucketOwner, CountingMode};
use latchkey_redis::{Address, Node, probe};
use latchkey_testing::{Redis, RedisSentinel, RedisSentinels, eventually_async};

use super::bench::{RedisBench, admitted, left, options};
use super::notifications::Process;

const TIMEOUT: Duration = Duration::from_secs(5);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);

async fn bench(url: &str) -> RedisBench {
    RedisBench::with(&options(url, TIMEOUT), CountingMode::Exact).await
}

async fn nodes(url: &str) -> Vec<Node> {
    probe(&Address::parse(url, None).expect("an address")).await.expect("clients")
}

/// Waits until a server counts the calls of a limiter, which are all admitted meanwhile.
async fn until_counted_by(bench: &RedisBench, server: &Redis) {
    let mut plenty = bucket_charge(bench, BucketOwner::Ip, (1_000_000, 1, 1_000_000));
    plenty.bucket.per = BucketOwner::Ip;
    eventually_async("the new primary counts", async || {
        let before = server.calls("evalsha");
        for _ in 0..20 {
            assert!(charge(bench, &[plenty], 1).await.granted);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (bench.limiter.is_shared() && server.calls("evalsha") >= before + 20).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_notifications_follow_a_failover_and_the_old_primary_may_return() {
    let sentinels = RedisSentinels::start();
    let url = sentinels.url("");
    let [old, new] = sentinels.servers();
    let (one, mut two) = (bench(&url).await, bench(&url).await);
    two.subject = one.subject;
    let (mut here, mut there) = (Process::at(&url, "1").await, Process::at(&url, "2").await);
    let bucket = bucket_charge(&one, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&one, bucket, 10).await + admitted(&two, bucket, 10).await, 20);
    assert_eq!(old.cli(&["WAIT", "1", "60000"]), "1");
    old.kill();
    until_counted_by(&one, new).await;
    until_counted_by(&two, new).await;
    assert_eq!(left(&one, bucket).await, 30, "the replica had the counts");
    here.expect_wakeup("that it has subscribed at the new primary").await;
    there.expect_wakeup("that it has subscribed at the new primary").await;
    here.forget();
    there.notifier.notify();
    here.expect_wakeup("a notification over the new primary").await;
    // The old primary restarts empty, and acts as a primary until a Sentinel makes it a replica.
    old.restart();
    assert_eq!(admitted(&one, bucket, 10).await + admitted(&two, bucket, 10).await, 20);
    sentinels.until_replica(0);
    assert_eq!(admitted(&one, bucket, 10).await + admitted(&two, bucket, 10).await, 10);
    assert!(one.limiter.is_shared() && two.limiter.is_shared());
}

/// A planned change: the old primary stays, as a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_notifications_leave_a_primary_that_became_a_replica() {
    let mut sentinels = RedisSentinels::start();
    let url = sentinels.url("");
    let one = bench(&url).await;
    let mut here = Process::at(&url, "1").await;
    assert_eq!(sentinels.sentinels()[0].cli(&["SENTINEL", "FAILOVER", "latchkey-limits"]), "OK");
    sentinels.until_primary(1);
    until_counted_by(&one, &sentinels.servers()[1]).await;
    here.expect_wakeup("that it has subscribed at the new primary").await;
    let subscribed = async || {
        let seen = sentinels.servers()[1].cli(&["PUBSUB", "NUMSUB", "latchkey:changes"]);
        (seen.lines().last() == Some("1")).then_some(())
    };
    eventually_async("the subscription is at the new primary", subscribed).await;
}

/// Change of the name alone: the old server stays a primary, and no connection is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_the_sentinels_no_longer_name_is_left() {
    let (old, new) = (Redis::start(), Redis::start());
    let sentinels = [RedisSentinel::watching(old.port(), 9)];
    let url = RedisSentinels::url_of(&sentinels, "");
    let one = bench(&url).await;
    let mut here = Process::at(&url, "1").await;
    let name = "latchkey-limits";
    assert_eq!(sentinels[0].cli(&["SENTINEL", "REMOVE", name]), "OK");
    assert!(one.limiter.is_shared(), "the present one stays if none is named");
    let port = new.port().to_string();
    assert_eq!(sentinels[0].cli(&["SENTINEL", "MONITOR", name, "127.0.0.1", &port, "9"]), "OK");
    until_counted_by(&one, &new).await;
    here.expect_wakeup("that it has subscribed at the new primary").await;
    new.cli(&["PUBLISH", "latchkey:changes", "2"]);
    here.expect_wakeup("a notification over the new primary").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_hang_or_name_an_old_primary_are_outvoted() {
    let (old, new) = (Redis::start(), Redis::start());
    let watching = |redis: &Redis| RedisSentinel::watching(redis.port(), 9);
    let mut sentinels = [watching(&old), watching(&new), watching(&new), watching(&new), watching(&old)];
    sentinels[3].freeze();
    let url = RedisSentinels::url_of(&sentinels[..4], "");
    let one = bench(&url).await;
    let mut two = bench(&RedisSentinels::url_of(&sentinels[1..], "")).await;
    two.subject = one.subject;
    let bucket = bucket_charge(&one, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&one, bucket, 30).await + admitted(&two, bucket, 30).await, 50);
    assert_eq!(old.calls("evalsha"), 0);
    let seen = nodes(&url).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].name, format!("127.0.0.1:{}", new.port()));
    assert!(seen[0].seen.is_ok() && !seen[0].sentinel && seen[1].sentinel);
    let error = seen[1].seen.as_ref().unwrap_err();
    assert_eq!(error.0, "no response in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_suffice_at_sentinels_too() {
    let mut sentinels = RedisSentinels::start();
    let page = include_str!("../../../../docs/redis.md");
    let mut lines = page.lines().filter(|line| line.starts_with("ACL SETUSER"));
    let [redis, sentinel] = [(); 2].map(|()| lines.next().expect("a documented line"));
    for server in sentinels.servers() {
        assert_eq!(server.cli(&redis.split_whitespace().collect::<Vec<_>>()), "OK", "{redis}");
        assert_eq!(server.cli(&["ACL", "SETUSER", "default", "-@write", "-@scripting"]), "OK");
    }
    for server in sentinels.sentinels() {
        assert_eq!(server.cli(&sentinel.split_whitespace().collect::<Vec<_>>()), "OK", "{sentinel}");
    }
    let own =
        format!("{}?sentinel_user=latchkey&sentinel_password=PASSWORD", sentinels.url("latchkey:PASSWORD@"));
    let bench = bench(&own).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&bench, bucket, 60).await, 50);
    let mut one = Process::at(&own, "1").await;
    let two = Process::at(&own, "2").await;
    two.notifier.notify();
    one.expect_wakeup("a notification").await;
    assert_eq!(nodes(&own).await.len(), 1, "no Sentinel has anything to complain of");
    // The error of a wrong password is that of the Sentinels, and does not contain the password.
    let seen = nodes(&own.replace("sentinel_password=PASSWORD", "sentinel_password=canary")).await;
    let error = seen[0].seen.as_ref().unwrap_err();
    assert!(error.0.contains("authentication failed") && !error.0.contains("canary"), "{error}");
    assert_eq!(seen.len(), 4);
    let seen = nodes(&own.replace("latchkey-limits", "other")).await;
    let error = seen[0].seen.as_ref().unwrap_err();
    assert!(error.0.contains("it knows no primary named other"), "{error}");
}

/// Single password: a Sentinel that wants it gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_without_credentials_of_their_own_get_those_of_redis_if_they_want_some() {
    let redis = Redis::start();
    let sentinels = [RedisSentinel::watching(redis.port(), 1)];
    for words in [["ACL", "SETUSER", "default", ">hunter2"], ["CONFIG", "SET", "requirepass", "hunter2"]] {
        let server = if words[0] == "ACL" { sentinels[0].cli(&words) } else { redis.cli(&words) };
        assert_eq!(server, "OK");
    }
    let bench = bench(&RedisSentinels::url_of(&sentinels, ":hunter2@")).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&bench, bucket, 60).await, 50);
    let seen = nodes(&RedisSentinels::url_of(&sentinels, "")).await;
    assert!(seen[0].seen.as_ref().unwrap_err().0.contains("NOAUTH"), "{seen:?}");
}
