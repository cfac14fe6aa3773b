//! Servers that speak PostgreSQL's protocol and lack functions that depend on its implementation.

use std::sync::Arc;

use latchkey_core::ports::{ChangeFeed as _, Replicas as _};
use latchkey_management::ports::AuditAction;
use latchkey_management::ports::ManagementStore as _;
use latchkey_store::{Dialect, Pooler, Store, StoreOptions};
use latchkey_testing::Postgres;

use crate::database::{TEST_TIMEOUT, TestDatabase, audit, key, new, options};
use crate::replicas::{announced, replica};

/// Functions that other servers lack, or have in name only.
const ABSENT: [&str; 5] = [
    "pg_advisory_xact_lock(bigint)",
    "pg_current_wal_lsn()",
    "pg_walfile_name(pg_lsn)",
    "pg_is_in_recovery()",
    "pg_postmaster_start_time()",
];

/// Uses every part of a store that depends on the server.
async fn use_all(store: &Store, database: &TestDatabase, number: u128) {
    let created =
        store.create_keys(vec![new(key(database, number))], audit(AuditAction::KeyCreate)).await.unwrap();
    assert!(created.revision > 0);
    let name = replica(&number.to_string());
    store.register(&name, &announced(5, 1)).await.unwrap();
    let polled = store.poll(Some((&name, &announced(6, 2))), 1, 10).await.unwrap();
    assert!(polled.heartbeat && polled.fleet.timeline.is_none() && !polled.fleet.rows.is_empty());
    store.set_applied(&name, &announced(7, 2)).await.unwrap();
    assert!(store.list(0).await.unwrap().timeline.is_none());
    store.clock().await.unwrap();
    store.durability().await.unwrap();
    assert!(store.key(key(database, number).id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compatible_server_needs_no_function_of_postgresql_alone_and_is_not_notified() {
    let server = Postgres::start();
    let url = server.database();
    for function in ABSENT {
        let (name, _) = function.split_once('(').unwrap();
        server.sql(&url, &format!("ALTER FUNCTION pg_catalog.{function} RENAME TO no_{name}"));
    }
    let with = |pooler| {
        let dialect = Dialect::Compatible;
        Store::connect_lazy(StoreOptions { pooler, dialect, ..options(&url, TEST_TIMEOUT) }).unwrap()
    };
    let store = Arc::new(with(Pooler::Session));
    let database = TestDatabase::of(store, url.clone()).await;
    assert!(database.store.notifications().is_none());
    server.set("log_statement", "all");
    use_all(&database.store, &database, 1).await;
    use_all(&with(Pooler::Transaction), &database, 2).await;
    let log = server.log();
    assert!(log.contains("INSERT INTO \"keys\"") || log.contains("INSERT INTO"), "statements are logged");
    for word in ["NOTIFY", "LISTEN", "set_config('synchronous_commit', 'off'"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

/// Uses a PostgreSQL whose functions of the write-ahead log are missing or not permitted, as on Aurora.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_name_its_timeline_is_used_without_it() {
    let server = Postgres::start();
    let revoke = "REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC";
    let rename = "ALTER FUNCTION pg_catalog.pg_current_wal_lsn() RENAME TO no_lsn";
    for (number, sql) in [revoke, rename].into_iter().enumerate() {
        let url = server.database();
        let name = url.rsplit('/').next().unwrap();
        let role = format!("service_{number}");
        server.create_role(&role, "");
        server.sql(&url, &format!("ALTER DATABASE {name} OWNER TO {role}; {sql}"));
        let database = TestDatabase::at(url.replace("//postgres@", &format!("//{role}:secret@")), None).await;
        use_all(&database.store, &database, 1).await;
        assert!(database.store.notifications().is_some());
    }
    let database = TestDatabase::at(server.database(), None).await;
    assert!(database.store.list(0).await.unwrap().timeline.is_some(), "it is read where it can be");
}

/// Uses a server that does not have advisory locks, or does not permit them: shared writes take no turns there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_advisory_locks_takes_writes_that_share_transactions() {
    let server = Postgres::start();
    let revoke = "REVOKE EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) FROM PUBLIC";
    let rename = "ALTER FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RENAME TO no_lock";
    for (number, sql) in [revoke, rename].into_iter().enumerate() {
        let url = server.database();
        let name = url.rsplit('/').next().unwrap();
        let role = format!("writer_{number}");
        server.create_role(&role, "");
        server.sql(&url, &format!("ALTER DATABASE {name} OWNER TO {role}; {sql}"));
        let database = TestDatabase::at(url.replace("//postgres@", &format!("//{role}:secret@")), None).await;
        for number in 1..=3 {
            database.make(key(&database, number)).await;
        }
        assert_eq!(database.verify().await, Ok(4));
    }
}
