//! A Redis that accepts connections and refuses to count: it is not used, no call is denied because of it, and it is
//! used again when the cause is gone.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::conformance::{bucket_charge, charge};
use latchkey_core::limit::{BucketOwner, CountingMode};
use latchkey_redis::{Address, RedisLimiter, probe};
use latchkey_testing::{Redis, eventually_async};

use super::bench::{MonotonicClock, RedisBench, admitted, options};

const TIMEOUT: Duration = Duration::from_secs(5);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);
const USER: &str = "latchkey";
const ACL: &str = "on >hunter2 resetkeys ~latchkey:* resetchannels &latchkey:* -@all +evalsha +eval +time +get +set \
                   +del +subscribe +publish";

/// Returns the error text with which Redis refuses a bucket.
async fn refused(url: &str) -> String {
    let nodes = probe(&Address::parse(url, None).expect("an address")).await.expect("a client");
    match &nodes[0].seen {
        Ok(probe) => probe.refused.clone().unwrap_or_default(),
        Err(error) => error.0.clone(),
    }
}

/// Puts a Redis into a state and out of it again, by commands.
async fn refuses(redis: &Redis, enter: &[&[&str]], leave: &[&[&str]], words: &str) {
    let bench = RedisBench::on(redis, CountingMode::Exact, TIMEOUT).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert_eq!(admitted(&bench, bucket, 10).await, 10);
    for command in enter {
        redis.cli(command);
    }
    bench.until(false).await;
    assert_eq!(admitted(&bench, bucket, 60).await, 40, "{words}: the process's own bucket goes on");
    for _ in 0..20 {
        assert!(!bench.limiter.is_shared(), "{words}: the trial asks for less than a call");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let said = refused(&redis.url()).await;
    assert!(said.contains(words) && !said.contains("latchkey:"), "{said}");
    for command in leave {
        redis.cli(command);
    }
    bench.until(true).await;
    assert!(refused(&redis.url()).await.is_empty());
    let deleted = async || redis.cli(&["KEYS", "*:0:0"]).is_empty().then_some(());
    eventually_async("buckets of trials are taken away", deleted).await;
}

#[tokio::test]
async fn a_redis_at_its_memory_limit() {
    let (enter, leave) = (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]);
    refuses(&Redis::start(), &[&enter], &[&leave], "OOM command not allowed when used memory > 'maxmemory'")
        .await;
}

#[tokio::test]
async fn a_replica() {
    let (redis, primary) = (Redis::start(), Redis::start());
    let enter = ["REPLICAOF", "127.0.0.1", &primary.port().to_string()];
    refuses(&redis, &[&enter], &[&["REPLICAOF", "NO", "ONE"]], "READONLY").await;
}

#[tokio::test]
async fn a_primary_with_too_few_replicas() {
    let set = |number| ["CONFIG", "SET", "min-replicas-to-write", number];
    refuses(&Redis::start(), &[&set("1")], &[&set("0")], "NOREPLICAS").await;
}

#[tokio::test]
async fn a_redis_that_cannot_save() {
    let redis = Redis::with(&["--dbfilename", "folder"]);
    let enter: [&[&str]; 3] =
        [&["CONFIG", "SET", "save", "3600 1"], &["SET", "something", "else"], &["BGSAVE"]];
    let folder = redis.cli(&["CONFIG", "GET", "dir"]);
    let folder = folder.lines().last().expect("a folder");
    std::fs::create_dir(format!("{folder}/folder")).expect("a folder in the way of the file");
    refuses(&redis, &enter, &[&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]], "MISCONF").await;
}

/// A user without the keys, without EVAL, and disabled.
#[tokio::test]
async fn a_user_with_too_few_rights() {
    let redis = Redis::start();
    let rights = |rights: &str| {
        let words: Vec<&str> =
            ["ACL", "SETUSER", USER].into_iter().chain(rights.split_whitespace()).collect();
        assert_eq!(redis.cli(&words), "OK");
    };
    rights(ACL);
    let url = format!("redis://{USER}:hunter2@127.0.0.1:{}", redis.port());
    for (take, give, words) in [
        ("resetkeys ~other:*", "~latchkey:*", "NOPERM"),
        ("-evalsha -eval", "+evalsha +eval", "NOPERM"),
        ("-time", "+time", "can't run this command"),
        ("-get", "+get", "can't run this command"),
        ("-set", "+set", "can't run this command"),
    ] {
        let bench = RedisBench::with(&options(&url, TIMEOUT), CountingMode::Exact).await;
        let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
        assert_eq!(admitted(&bench, bucket, 10).await, 10);
        rights(take);
        bench.until(false).await;
        assert_eq!(admitted(&bench, bucket, 60).await, 40, "{take}");
        let said = refused(&url).await;
        assert!(said.contains(words) && !said.contains("hunter2"), "{take}: {said}");
        rights(give);
        bench.until(true).await;
    }
}

/// The least rights suffice for counting, for notifications and for the limiter's own trial.
#[tokio::test]
async fn the_documented_rights_suffice() {
    let page = include_str!("../../../../docs/redis.md");
    let line = page.lines().find(|line| line.starts_with("ACL SETUSER")).expect("the documented line");
    let redis = Redis::start();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(redis.cli(&words), "OK", "{line}");
    let url = format!("redis://latchkey:PASSWORD@127.0.0.1:{}", redis.port());
    for mode in [CountingMode::Exact, CountingMode::Leased] {
        let bench = RedisBench::with(&options(&url, TIMEOUT), mode).await;
        let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
        assert!((40..=50).contains(&admitted(&bench, bucket, 60).await));
    }
    let nodes = probe(&Address::parse(&url, None).expect("an address")).await.expect("a client");
    let seen = nodes[0].seen.as_ref().expect("it responds");
    assert_eq!((&seen.refused, &seen.unreadable), (&None, &None));
    let mut one = super::notifications::Process::at(&url, "1").await;
    let two = super::notifications::Process::at(&url, "2").await;
    two.notifier.notify();
    one.expect_wakeup("a notification").await;
}

/// Commands that are missing, a database that does not exist, and a wrong password: never used, and never in the way.
#[tokio::test]
async fn a_redis_that_can_never_be_used_says_why() {
    let (renamed, plain) = (Redis::with(&["--rename-command", "EVAL", ""]), Redis::start());
    let at =
        |redis: &Redis, user: &str, path: &str| format!("redis://{user}127.0.0.1:{}{path}", redis.port());
    for (url, words) in [
        (at(&renamed, "", ""), "unknown command"),
        (at(&plain, "", "/99"), "DB index is out of range"),
        (at(&plain, "latchkey:hunter2@", ""), "authentication failed"),
    ] {
        let limiter =
            RedisLimiter::new(&options(&url, TIMEOUT), Arc::new(MonotonicClock)).expect("a limiter");
        let bounded = tokio::time::timeout(Duration::from_secs(1), limiter.maintain()).await;
        assert!(bounded.is_err() && !limiter.is_shared(), "{words}");
        let said = refused(&url).await;
        assert!(said.contains(words) && !said.contains("hunter2"), "{words}: {said}");
    }
    let bench = RedisBench::on(&plain, CountingMode::Exact, TIMEOUT).await;
    let bucket = bucket_charge(&bench, BucketOwner::Key, SLOW);
    assert!(charge(&bench, &[bucket], 1).await.granted);
}

/// Counting needs no channels, and wake-ups need the rights of both commands and of the channels.
#[tokio::test]
async fn a_user_without_rights_for_wake_ups_is_noticed() {
    let redis = Redis::start();
    let url = format!("redis://{USER}:hunter2@127.0.0.1:{}", redis.port());
    for (take, refused) in [("", false), ("resetchannels", true), ("-subscribe", true), ("-publish", true)] {
        let words: Vec<&str> = ["ACL", "SETUSER", USER, "reset"]
            .into_iter()
            .chain(ACL.split_whitespace())
            .chain(take.split_whitespace())
            .collect();
        assert_eq!(redis.cli(&words), "OK");
        let nodes = probe(&Address::parse(&url, None).expect("an address")).await.expect("a client");
        let seen = nodes[0].seen.as_ref().expect("it responds");
        assert_eq!(seen.refused, None, "{take}");
        assert_eq!(seen.unheard.is_some(), refused, "{take}: {:?}", seen.unheard);
        assert!(seen.unheard.iter().all(|error| error.contains("NOPERM")), "{take}: {:?}", seen.unheard);
    }
}
