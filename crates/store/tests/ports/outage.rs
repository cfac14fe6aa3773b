//! Slow, absent and hanging databases: an error within the deadline, and nothing left behind.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::ports::KeyStore;
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::audit::{AuditFilter, AuditLog as _};
use latchkey_management::ports::bulk::BulkStore as _;
use latchkey_management::ports::{AuditAction, ManagementStore};
use latchkey_store::Store;
use latchkey_testing::{Postgres, eventually_async};
use sea_orm::sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, TransactionTrait as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::database::{TEST_TIMEOUT, TestDatabase, at_once, audit, key, new, options};

on_both![a_closed_store_is_an_outage, a_held_lock_is_an_outage_for_writes_and_none_for_checks];

/// Deadline of calls in tests whose database does not respond.
const SHORT: Duration = Duration::from_millis(150);

fn is_outage<T: std::fmt::Debug>(answer: &Result<T, SystemError>) -> bool {
    matches!(answer, Err(SystemError::Unavailable { dependency: "the database", .. }))
}

async fn a_closed_store_is_an_outage(database: TestDatabase) {
    database.store.ping().await.unwrap();
    database.store.close().await;
    assert!(is_outage(&database.store.ping().await));
    assert!(is_outage(&database.store.key_by_hash(&key(&database, 1).hash).await));
    let many = database.store.keys_by_hash(&[KeyHash::of("a"), KeyHash::of("b")]).await;
    assert!(many.len() == 2 && many.iter().all(is_outage));
}

async fn a_held_lock_is_an_outage_for_writes_and_none_for_checks(database: TestDatabase) {
    let made = database.make(key(&database, 1)).await;
    let hasty = database.another(SHORT);
    let write = |number| hasty.create_keys(vec![new(key(&database, number))], audit(AuditAction::KeyCreate));
    let held = BlockingTransaction::take(&database.url).await;
    for number in 2..20 {
        let written = timeout(TEST_TIMEOUT, write(number)).await.unwrap();
        assert!(
            matches!(written, Err(ManagementError::System(SystemError::Unavailable { .. }))),
            "{written:?}"
        );
    }
    assert!(database.store.key_by_hash(&made.hash).await.unwrap().entry.is_some());
    held.give_back().await;
    // An abandoned call has no effect later, and its permit was returned.
    assert_eq!(database.store.revision().await.unwrap(), made.revision);
    database.make(key(&database, 30)).await;
    for number in 2..20 {
        assert_eq!(database.store.key(key(&database, number).id).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_wait_leave_connections_to_look_ups() {
    let database = TestDatabase::postgres().await;
    let made = database.make(key(&database, 1)).await;
    let held = database.store.connection().begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut lists = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&database.store);
        lists.spawn(async move { store.events(&AuditFilter::default(), None, 1).await.map(drop) });
    }
    let other = database.another(TEST_TIMEOUT);
    let sql = "SELECT count(*) AS n FROM pg_locks WHERE relation = 'audit_events'::regclass AND NOT granted";
    eventually_async("lists wait for the lock", async || {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = other.connection().query_one_raw(statement).await.unwrap()?;
        (row.try_get::<i64>("", "n").unwrap() >= 3).then_some(())
    })
    .await;
    assert!(database.store.key_by_hash(&made.hash).await.unwrap().entry.is_some());
    assert_eq!(database.store.keys_by_id(&[made.id]).await.unwrap().len(), 1, "keys to revoke");
    held.rollback().await.unwrap();
    for list in lists.join_all().await {
        list.unwrap();
    }
    other.close().await;
}

/// A process that ends while writes wait must not hang.
#[test]
fn a_runtime_ends_although_writes_wait() {
    let (ended, end) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let database = TestDatabase::sqlite().await;
            let held = BlockingTransaction::take(&database.url).await;
            let keys = vec![new(key(&database, 1))];
            let written = database.store.create_keys(keys, audit(AuditAction::KeyCreate));
            // The caller gives up, and the task goes on waiting for the lock.
            timeout(SHORT, written).await.unwrap_err();
            std::mem::forget(held);
        });
        drop(runtime);
        ended.send(()).unwrap();
    });
    end.recv_timeout(TEST_TIMEOUT).expect("the runtime ends");
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_file_that_is_being_created_do_not_fail() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("keys.db").display());
        let store = Arc::new(Store::connect_lazy(options(&url, TEST_TIMEOUT)).unwrap());
        let pings = (0..8).map(|_| {
            let store = Arc::clone(&store);
            async move { store.ping().await }
        });
        let (pings, migrated) = tokio::join!(at_once(pings), latchkey_migrations::up(store.connection()));
        migrated.unwrap();
        assert!(pings.iter().all(Result::is_ok), "{pings:?}");
        assert_eq!(store.failure(), None);
        store.close().await;
    }
}

/// Another client's transaction that blocks every write.
enum BlockingTransaction {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl BlockingTransaction {
    async fn take(url: &str) -> Self {
        if url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        connection.execute("SELECT * FROM head FOR UPDATE").await.unwrap();
        Self::Postgres(connection)
    }

    async fn give_back(self) {
        match self {
            Self::Sqlite(mut connection) => drop(connection.execute("ROLLBACK").await.unwrap()),
            Self::Postgres(mut connection) => drop(connection.execute("ROLLBACK").await.unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_sqlite_keeps_waiting_is_an_outage() {
    let database = TestDatabase::sqlite().await;
    let made = database.make(key(&database, 1)).await;
    let hasty = database.another(SHORT);
    database.store.close().await;
    let mut other = SqliteConnection::connect(&database.url).await.unwrap();
    other.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").await.unwrap();
    assert!(is_outage(&timeout(TEST_TIMEOUT, hasty.key_by_hash(&made.hash)).await.unwrap()));
    other.close().await.unwrap();
    assert!(database.another(TEST_TIMEOUT).key_by_hash(&made.hash).await.unwrap().entry.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_postgres_keeps_waiting_is_an_outage() {
    let database = TestDatabase::postgres().await;
    let made = database.make(key(&database, 1)).await;
    let hasty = database.another(SHORT);
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE keys").await.unwrap();
    // More attempts than there are connections: a blocked one is not given to the next caller.
    for _ in 0..20 {
        assert!(is_outage(&timeout(TEST_TIMEOUT, hasty.key_by_hash(&made.hash)).await.unwrap()));
    }
    other.execute("COMMIT").await.unwrap();
    assert!(database.store.key_by_hash(&made.hash).await.unwrap().entry.is_some());
}

/// Returns a server of the test's own with a key in it, a store with a long deadline, and one with a short
/// deadline.
async fn on_a_server_of_its_own() -> (Postgres, TestDatabase, KeyRecord, Store) {
    let server = Postgres::start();
    let database = TestDatabase::at(server.database(), None).await;
    let made = database.make(key(&database, 1)).await;
    let hasty = database.another(SHORT);
    (server, database, made, hasty)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_postgres_is_an_outage_until_it_goes_on() {
    let (server, database, made, hasty) = on_a_server_of_its_own().await;
    server.freeze();
    for _ in 0..20 {
        assert!(is_outage(&timeout(TEST_TIMEOUT, hasty.key_by_hash(&made.hash)).await.unwrap()));
    }
    let write =
        timeout(TEST_TIMEOUT, hasty.create_keys(vec![new(key(&database, 2))], audit(AuditAction::KeyCreate)))
            .await
            .unwrap();
    assert!(matches!(write, Err(ManagementError::System(SystemError::Unavailable { .. }))), "{write:?}");
    server.thaw();
    recovers(&hasty, &made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgres_fails_no_later_call() {
    let (server, database, made, _) = on_a_server_of_its_own().await;
    // Several connections are left idle, and none of them notices the restart.
    let ask = || database.store.key_by_hash(&made.hash);
    let asked = tokio::join!(ask(), ask(), ask());
    assert!([asked.0, asked.1, asked.2].iter().all(Result::is_ok));
    server.kill();
    server.restart();
    assert!(ask().await.unwrap().entry.is_some());
    server.kill();
    server.restart();
    database.make(key(&database, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_starts_before_its_database() {
    let server = Postgres::start();
    let url = server.database();
    server.stop();
    let store = Store::connect_lazy(options(&url, TEST_TIMEOUT)).unwrap();
    assert!(is_outage(&store.ping().await));
    server.restart();
    store.ping().await.unwrap();
    latchkey_migrations::up(store.connection()).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), 0);
}

/// Repeats a query until the database responds again.
async fn recovers(store: &Store, made: &KeyRecord) {
    let ask = async {
        while !store.key_by_hash(&made.hash).await.is_ok_and(|found| found.entry.is_some()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(TEST_TIMEOUT, ask).await.unwrap();
}
