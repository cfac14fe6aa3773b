//! Sessions of PostgreSQL have the settings that the store's guarantees need, whatever the role, the database or the
//! server sets.

use std::sync::Arc;

use latchkey_core::ports::KeyStore;
use latchkey_management::ports::bulk::{BulkChange, BulkStore};
use latchkey_management::ports::{AuditAction, ManagementStore};
use latchkey_store::{Durability, Pooler, Store, StoreOptions};
use latchkey_testing::Postgres;

use crate::database::{TEST_TIMEOUT, TestDatabase, at_once, audit, key, new, options};

/// Settings that would break a guarantee each.
const HOSTILE: [&str; 9] = [
    "synchronous_commit = off",
    "lock_timeout = '10ms'",
    "statement_timeout = '20s'",
    "idle_in_transaction_session_timeout = '10ms'",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "idle_session_timeout = '50s'",
    "client_min_messages = 'error'",
    "row_security = on",
];

/// Stores the settings of each session that inserts a key.
const RECORD: &str = "
    CREATE TABLE seen AS SELECT name, setting FROM pg_settings WHERE false;
    CREATE FUNCTION note_settings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'lock_timeout',
            'statement_timeout', 'idle_in_transaction_session_timeout', 'default_transaction_read_only',
            'transaction_isolation', 'idle_session_timeout', 'client_min_messages', 'row_security');
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_settings AFTER INSERT ON keys EXECUTE FUNCTION note_settings()";

/// Stores the search path of each session that inserts a key, in a table of another schema than that of the keys.
const RECORD_PATH: &str = r#"
    CREATE SCHEMA "Tool's, box";
    CREATE TABLE "Tool's, box".seen_paths (path text);
    CREATE FUNCTION note_path() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen_paths VALUES (current_setting('search_path'));
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_path AFTER INSERT ON keys EXECUTE FUNCTION note_path()"#;

/// Makes later sessions of a database begin with these settings.
fn set(server: &Postgres, url: &str, settings: &[&str]) {
    let name = url.rsplit('/').next().unwrap();
    for setting in settings {
        server.sql(&server.url("postgres"), &format!("ALTER DATABASE {name} SET {setting}"));
    }
}

/// Creates a key in a database whose sessions begin with these settings. Returns the settings of the session that
/// created it, one a line.
async fn settings_of_a_write(settings: &[&str]) -> String {
    let server = Postgres::shared();
    let database = TestDatabase::postgres().await;
    server.sql(&database.url, RECORD);
    set(server, &database.url, settings);
    let store = database.another(TEST_TIMEOUT);
    store.create_keys(vec![new(key(&database, 1))], audit(AuditAction::KeyCreate)).await.unwrap();
    server.sql(&database.url, "SELECT name || '=' || setting FROM seen ORDER BY name")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_set_what_their_role_sets_otherwise() {
    let limit = TEST_TIMEOUT.as_millis();
    let wanted = [
        "client_min_messages=notice".to_owned(),
        "default_transaction_read_only=off".to_owned(),
        format!("idle_in_transaction_session_timeout={limit}"),
        "idle_session_timeout=0".to_owned(),
        format!("lock_timeout={}", limit * 14 / 16),
        "row_security=off".to_owned(),
        format!("statement_timeout={}", limit * 15 / 16),
        "synchronous_commit=on".to_owned(),
        "transaction_isolation=read committed".to_owned(),
    ];
    assert_eq!(settings_of_a_write(&HOSTILE).await.lines().collect::<Vec<_>>(), wanted);
}

/// Deletions depend on foreign keys: a key that is created meanwhile must not survive its tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_enforces_no_foreign_keys_is_refused() {
    let server = Postgres::shared();
    let database = TestDatabase::postgres().await;
    set(server, &database.url, &["session_replication_role = replica"]);
    for pooler in [Pooler::Session, Pooler::Transaction] {
        let options = StoreOptions { pooler, ..options(&database.url, TEST_TIMEOUT) };
        let store = Store::connect_lazy(options).unwrap();
        let failure = store.reach().await.unwrap_err();
        assert!(failure.refused && failure.cause.contains("session_replication_role"), "{failure:?}");
    }
    set(server, &database.url, &["session_replication_role = origin"]);
    assert!(database.another(TEST_TIMEOUT).reach().await.is_ok());
}

/// Creates keys in a database whose trigger needs a later schema of the path than that of the tables.
async fn triggers_find_the_rest_of_the_path(pooler: Pooler) {
    let server = Postgres::shared();
    let database = TestDatabase::postgres().await;
    server.sql(&database.url, RECORD_PATH);
    set(server, &database.url, &[r#"search_path = "$user", public, "Tool's, box""#]);
    let options = StoreOptions { pooler, ..options(&database.url, TEST_TIMEOUT) };
    let store = Store::connect_lazy(options).unwrap();
    let path = latchkey_migrations::status(store.connection()).await.unwrap().search_path.unwrap();
    assert_eq!(path, r#"public, "$user", public, "Tool's, box""#);
    store.pin_search_path(&path);
    for number in 1..=3 {
        let made = store.create_keys(vec![new(key(&database, number))], audit(AuditAction::KeyCreate)).await;
        assert!(made.is_ok(), "{made:?}: {:?}", store.failure());
    }
    let seen = server.sql(&database.url, r#"SELECT path FROM "Tool's, box".seen_paths"#);
    assert_eq!(seen.lines().collect::<Vec<_>>(), [path.as_str(); 3]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_find_what_is_in_a_later_schema_of_the_path() {
    triggers_find_the_rest_of_the_path(Pooler::Session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_find_what_is_in_a_later_schema_where_each_statement_is_a_transaction() {
    triggers_find_the_rest_of_the_path(Pooler::Transaction).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_can_be_used_again_after_a_transaction_that_could_not_begin() {
    let server = Postgres::shared();
    let database = TestDatabase::postgres().await;
    let id = database.make(key(&database, 1)).await.id;
    let options = StoreOptions { pooler: Pooler::Transaction, ..options(&database.url, TEST_TIMEOUT) };
    let store = Store::connect_lazy(options).unwrap();
    assert!(store.key(id).await.unwrap().is_some());
    // Each transaction calls this function when it begins.
    server.sql(&database.url, "ALTER FUNCTION pg_postmaster_start_time() RENAME TO renamed");
    store.key(id).await.unwrap_err();
    server.sql(&database.url, "ALTER FUNCTION renamed() RENAME TO pg_postmaster_start_time");
    assert!(store.key(id).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_promises_more_is_kept() {
    let seen = settings_of_a_write(&["synchronous_commit = remote_apply"]).await;
    assert!(seen.contains("synchronous_commit=remote_apply"), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_wait_for_each_other_although_the_role_forbids_it() {
    let url = Postgres::shared().database();
    set(Postgres::shared(), &url, &HOSTILE);
    let database = TestDatabase::at(url, None).await;
    let stores: Vec<_> = (0..6).map(|_| Arc::new(database.another(TEST_TIMEOUT))).collect();
    let writes = (0..60).map(|number| {
        let store = Arc::clone(&stores[number % 6]);
        let record = key(&database, u128::try_from(number).unwrap() + 1);
        async move { store.create_keys(vec![new(record)], audit(AuditAction::KeyCreate)).await }
    });
    for written in at_once(writes).await {
        assert!(written.is_ok(), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_server_loses_no_acknowledged_write() {
    let server = Postgres::start();
    let url = server.database();
    set(&server, &url, &["synchronous_commit = off"]);
    for setting in ["ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"] {
        server.sql(&url, setting);
    }
    let database = TestDatabase::at(url, None).await;
    let mut made = Vec::new();
    for number in 1..=12 {
        made.push(database.make(key(&database, number)).await);
    }
    server.kill();
    server.restart();
    for key in made {
        assert!(database.store.key_by_hash(&key.hash).await.unwrap().entry.is_some(), "{}", key.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused_until_it_is_promoted() {
    let server = Postgres::start();
    let database = TestDatabase::at(server.database(), None).await;
    let data = server.sql(&database.url, "SHOW data_directory");
    server.stop();
    std::fs::write(std::path::Path::new(&data).join("standby.signal"), b"").unwrap();
    server.restart();
    let store = Store::connect_lazy(options(&database.url, TEST_TIMEOUT)).unwrap();
    for store in [&store, &*database.store] {
        assert!(store.ping().await.is_err());
        let failure = store.failure().unwrap();
        assert!(failure.refused && failure.cause.contains("standby (in recovery)"), "{failure:?}");
    }
    server.sql(&database.url, "SELECT pg_promote()");
    store.ping().await.unwrap();
    assert_eq!(store.failure(), None);
    database.make(key(&database, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_durability_of_the_server_is_read() {
    let good = Durability { fsync: true, full_page_writes: true, asynchronous_standbys: 0 };
    assert_eq!(TestDatabase::postgres().await.store.durability().await, Ok(Some(good)));
    assert_eq!(TestDatabase::sqlite().await.store.durability().await, Ok(None));
}

/// Policies for reading and inserting alone keep rows from updates, without an error.
async fn hidden_rows_are_no_success(pooler: Pooler) {
    let server = Postgres::start();
    let database = TestDatabase::at(server.database(), None).await;
    let id = database.make(key(&database, 1)).await.id;
    server.create_role("lk", "");
    for statement in [
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lk",
        "ALTER TABLE keys ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY reading ON keys FOR SELECT USING (true)",
        "CREATE POLICY inserting ON keys FOR INSERT WITH CHECK (true)",
    ] {
        server.sql(&database.url, statement);
    }
    let url = database.url.replace("postgres@", "lk:secret@");
    let store = Store::connect_lazy(StoreOptions { pooler, ..options(&url, TEST_TIMEOUT) }).unwrap();
    let revoked = store
        .change_keys(&[id], &BulkChange::Disable, &|_, _| Ok(()), audit(AuditAction::KeyUpdate))
        .await
        .unwrap_err()
        .to_string();
    assert!(revoked.contains("lacks a permission"), "{revoked}");
    let failure = store.failure().unwrap();
    assert!(failure.refused && failure.cause.contains("BYPASSRLS"), "{failure:?}");
    server.sql(&database.url, "ALTER ROLE lk BYPASSRLS");
    let disabled = store
        .change_keys(&[id], &BulkChange::Disable, &|_, _| Ok(()), audit(AuditAction::KeyUpdate))
        .await
        .unwrap();
    assert!(disabled.changed);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_policies_hide_are_no_success() {
    hidden_rows_are_no_success(Pooler::Session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_policies_hide_are_no_success_where_each_statement_is_a_transaction() {
    hidden_rows_are_no_success(Pooler::Transaction).await;
}
