//! A server that permits few connections, and one with a long network delay: callers wait, and calls succeed.

use std::sync::Arc;
use std::time::Duration;

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Caller, Direction, Latchkey, Postgres, Proxy, SHOP, Setup, eventually_async, key};
use tokio::task::JoinSet;

use crate::program::{printed, run};

async fn allowed(caller: &Caller, value: &str) -> Result<bool, tonic::Status> {
    let ask = CheckRequest {
        credential: value.to_owned(),
        profile: "shop".to_owned(),
        scopes_only: true,
        ..CheckRequest::default()
    };
    Ok(caller.checks().check(ask).await?.into_inner().decision() == Decision::Allow)
}

/// Creates a tenant, and this number of keys.
async fn keys(operator: &Caller, number: usize) -> Vec<String> {
    eventually_async("a tenant is made", async || operator.try_tenant("acme", "shop", "").await.ok()).await;
    let mut values = Vec::new();
    for _ in 0..number {
        let made = async || operator.try_key(key("acme", "live")).await.ok();
        values.push(eventually_async("a key is made", made).await.1);
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_wait_for_one_of_the_few_connections_of_a_role() {
    let postgres = Postgres::start();
    let url = postgres.database();
    assert!(run(&["migrate", "up"], &url, &[]).status.success());
    postgres.create_role("few", "");
    postgres.sql(&url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO few");
    let first = Setup::default().database(&url).profile("shop", SHOP).start();
    let values = keys(&first.operator(), 60).await;
    first.kill();
    postgres.sql(&url, "GRANT CREATE ON SCHEMA public TO few");
    postgres.sql(&url, "ALTER ROLE few CONNECTION LIMIT 4");
    let as_few = url.replace("postgres@", "few:secret@");
    let setup = Setup::default().database(&as_few).environment("LATCHKEY_DATABASE_CONNECTIONS", "16");
    // The test is about connections, and must not depend on the speed of the machine.
    let setup = setup.environment("LATCHKEY_CHECK_DEADLINE", "5s");
    let latchkey = Arc::new(setup.start());
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let latchkey = Arc::clone(&latchkey);
        calls.spawn(async move {
            let operator = latchkey.operator();
            for _ in 0..5 {
                operator.try_key(key("acme", "live")).await.map(drop)?;
            }
            Ok(())
        });
    }
    for value in values {
        let latchkey = Arc::clone(&latchkey);
        calls.spawn(async move { allowed(&latchkey.operator(), &value).await.map(drop) });
    }
    let results: Vec<Result<(), tonic::Status>> = calls.join_all().await;
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), results.len(), failed.first());
}

/// Starts a replica with this network delay to its database, and calls it.
async fn works_at_a_distance(each_way: Duration) {
    let postgres = Postgres::start();
    let url = postgres.database();
    let up = run(&["migrate", "up"], &url, &[]);
    assert!(up.status.success(), "{}", printed(&up));
    let near = Setup::default().database(&url).profile("shop", SHOP).start();
    let values = keys(&near.operator(), 10).await;
    near.kill();
    let proxy = Proxy::to(postgres.port());
    for direction in [Direction::Up, Direction::Down] {
        proxy.delay(direction, each_way);
    }
    let far = Setup::default().default_deadlines().database(&postgres.through(proxy.port(), &url));
    let far: Latchkey = far.start();
    let operator = far.operator();
    for value in &values {
        let passes = async || (allowed(&operator, value).await.ok() == Some(true)).then_some(());
        eventually_async("an unseen key passes", passes).await;
    }
    let made = async || operator.try_key(key("acme", "live")).await.ok();
    let (_, value) = eventually_async("a key is made", made).await;
    let passes = async || (allowed(&operator, &value).await.ok() == Some(true)).then_some(());
    eventually_async("the new key passes", passes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_works_twenty_milliseconds_from_its_database() {
    works_at_a_distance(Duration::from_millis(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_works_fifty_milliseconds_from_its_database() {
    works_at_a_distance(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_passes_at_once_far_from_the_database() {
    let postgres = Postgres::start();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.port());
    let near = Setup::default().database(&url).profile("shop", SHOP).start();
    let near = near.operator();
    let known = keys(&near, 1).await;
    let far = Setup::default().database(&postgres.through(proxy.port(), &url));
    let far =
        far.environment("LATCHKEY_DATABASE_DEADLINE", "1m").environment("LATCHKEY_CHECK_DEADLINE", "3900ms");
    // The feed must not show the new keys before they are checked.
    let far = far.environment("LATCHKEY_FEED_POLL_INTERVAL", "10s").start();
    let far = far.operator();
    assert_eq!(allowed(&far, &known[0]).await.ok(), Some(true), "a connection is open");
    for direction in [Direction::Up, Direction::Down] {
        // Two round trips take longer than a Check may.
        proxy.delay(direction, Duration::from_secs(1));
    }
    for _ in 0..3 {
        let value = near.try_key(key("acme", "live")).await.expect("a key is made").1;
        let passes = allowed(&far, &value).await;
        assert_eq!(passes.as_ref().ok(), Some(&true), "one round trip fits into the deadline: {passes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_works_seventy_milliseconds_from_its_database() {
    // A query takes longer than a Check waits by default.
    works_at_a_distance(Duration::from_millis(70)).await;
}
