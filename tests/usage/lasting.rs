//! Usage survives a restart, and is stored once.

use latchkey_proto::v1::Decision;
use latchkey_testing::{Database, Postgres, SHOP, Setup, Signal, call, eventually, on_both};

use crate::{Shop, calls, get, usage};

on_both!(a_kill_loses_what_was_not_written_and_no_more);

/// Waits until this number of allowed calls is stored.
async fn written(shop: &Shop, id: &str, expected: u64) {
    let sql = "SELECT COALESCE(SUM(calls), 0) FROM key_usage WHERE reason = 'OK'";
    let there = || (shop.latchkey.sql(sql) == expected.to_string()).then_some(());
    eventually("use is written", there);
    assert_eq!(calls(&usage(&shop.operator, id).await, "").0, expected, "counted once");
}

async fn a_kill_loses_what_was_not_written_and_no_more(database: Database) {
    let shop = Shop::flushing(database.single_replica(), "100ms").await;
    let (made, value) = shop.key(&["items.read"]).await;
    for _ in 0..7 {
        assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
    }
    written(&shop, &made.id, 7).await;
    let last = get(&shop.operator, &made.id).await.last_use_time;
    shop.latchkey.kill();
    shop.latchkey.restart();
    let seen = usage(&shop.operator, &made.id).await;
    assert_eq!((calls(&seen, "").0, seen.last_use_time), (7, last));
    assert!(seen.unused_scopes.is_empty());
    assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
    written(&shop, &made.id, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_counts_are_written_before_the_process_ends() {
    // By its interval, usage would not be stored before the end of the test.
    let shop = Shop::flushing(Database::Embedded.single_replica(), "10m").await;
    let (made, value) = shop.key(&["items.read"]).await;
    for _ in 0..9 {
        let _ = shop.check(&value, "GET").await;
    }
    shop.latchkey.signal(Signal::TERM);
    assert_eq!(shop.latchkey.wait().code(), Some(0), "{}", shop.latchkey.log());
    shop.latchkey.restart();
    assert_eq!(calls(&usage(&shop.operator, &made.id).await, "").0, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_add_up() {
    let shop = Shop::flushing(Database::PostgreSql.setup(), "100ms").await;
    let other = Setup::default().database(shop.latchkey.database()).profile("shop", SHOP);
    let other = other.environment("LATCHKEY_USAGE_FLUSH_INTERVAL", "100ms").start();
    let (made, value) = shop.key(&["items.read"]).await;
    for _ in 0..5 {
        assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
        for _ in 0..2 {
            let answer = other.anonymous().check(call(&value, "GET")).await;
            assert_eq!(answer.decision(), Decision::Allow);
        }
    }
    written(&shop, &made.id, 15).await;
    assert_eq!(calls(&usage(&other.operator(), &made.id).await, "").0, 15);
    let last = get(&shop.operator, &made.id).await.last_use_time;
    assert_eq!(get(&other.operator(), &made.id).await.last_use_time, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_database_loses_no_counts() {
    let postgres = Postgres::start();
    let setup = Setup::default().database(&postgres.database());
    // The lease of the cache lasts until the end of the test.
    let setup =
        setup.environment("LATCHKEY_CACHE_LEASE", "10m").environment("LATCHKEY_SINGLE_REPLICA", "true");
    let shop = Shop::flushing(setup, "100ms").await;
    let (made, value) = shop.key(&["items.read"]).await;
    assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
    written(&shop, &made.id, 1).await;
    postgres.stop();
    for _ in 0..20 {
        assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
    }
    eventually("it is reported", || shop.latchkey.log().contains("failed to store key usage").then_some(()));
    assert!(!shop.latchkey.log().contains("Unavailable {"), "the log has sentences: {}", shop.latchkey.log());
    for _ in 0..20 {
        assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
    }
    postgres.restart();
    written(&shop, &made.id, 41).await;
}
