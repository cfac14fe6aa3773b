//! Databases that are slow, away, or hung: an outage within the deadline, and nothing left behind.

use std::time::Duration;

use latchkey_core::ports::{Feed, KeyStore};
use latchkey_core::record::KeyRecord;
use latchkey_core::secret::KeyHash;
use latchkey_core::trouble::{Failure, Trouble};
use latchkey_management::ports::Ledger;
use latchkey_store::Store;
use latchkey_testing::Postgres;
use sea_orm::sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::time::timeout;

use crate::place::{PATIENT, Place, audit, key, new, options};

on_both![a_closed_store_is_an_outage, a_held_lock_is_an_outage_for_writes_and_none_for_checks];

/// What callers wait in these tests, where the database doesn't answer.
const SHORT: Duration = Duration::from_millis(150);

fn is_outage<T: std::fmt::Debug>(answer: &Result<T, Trouble>) -> bool {
    matches!(answer, Err(Trouble::Outage { what: "the database", .. }))
}

async fn a_closed_store_is_an_outage(place: Place) {
    place.store.ping().await.unwrap();
    place.store.close().await;
    assert!(is_outage(&place.store.ping().await));
    assert!(is_outage(&place.store.key_by_hash(&key(&place, 1).hash).await));
    let many = place.store.keys_by_hash(&[KeyHash::of("a"), KeyHash::of("b")]).await;
    assert!(many.len() == 2 && many.iter().all(is_outage));
}

async fn a_held_lock_is_an_outage_for_writes_and_none_for_checks(place: Place) {
    let made = place.make(key(&place, 1)).await;
    let hasty = place.another(SHORT);
    let write = |number| hasty.create_keys(vec![new(key(&place, number))], audit("key.create"));
    let held = Held::take(&place.url).await;
    for number in 2..20 {
        let written = timeout(PATIENT, write(number)).await.unwrap();
        assert!(matches!(written, Err(Failure::Trouble(Trouble::Outage { .. }))), "{written:?}");
    }
    assert!(place.store.key_by_hash(&made.hash).await.unwrap().known.is_some());
    held.give_back().await;
    // What was given up is not done later, and took no place for good.
    assert_eq!(place.store.revision().await.unwrap(), made.revision);
    place.make(key(&place, 30)).await;
    for number in 2..20 {
        assert_eq!(place.store.key(key(&place, number).id).await.unwrap(), None);
    }
}

/// Someone else's transaction that stands where every write must pass.
enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
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
    let place = Place::sqlite().await;
    let made = place.make(key(&place, 1)).await;
    let hasty = place.another(SHORT);
    place.store.close().await;
    let mut other = SqliteConnection::connect(&place.url).await.unwrap();
    other.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").await.unwrap();
    assert!(is_outage(&timeout(PATIENT, hasty.key_by_hash(&made.hash)).await.unwrap()));
    other.close().await.unwrap();
    assert!(place.another(PATIENT).key_by_hash(&made.hash).await.unwrap().known.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_postgres_keeps_waiting_is_an_outage() {
    let place = Place::postgres().await;
    let made = place.make(key(&place, 1)).await;
    let hasty = place.another(SHORT);
    let mut other = PgConnection::connect(&place.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE keys").await.unwrap();
    // More often than there are connections: a wedged one is not given to the next.
    for _ in 0..20 {
        assert!(is_outage(&timeout(PATIENT, hasty.key_by_hash(&made.hash)).await.unwrap()));
    }
    other.execute("COMMIT").await.unwrap();
    assert!(place.store.key_by_hash(&made.hash).await.unwrap().known.is_some());
}

/// A server of one's own with a key in it, a patient store, and one that is not.
async fn on_a_server_of_its_own() -> (Postgres, Place, KeyRecord, Store) {
    let server = Postgres::start();
    let place = Place::at(server.database(), None).await;
    let made = place.make(key(&place, 1)).await;
    let hasty = place.another(SHORT);
    (server, place, made, hasty)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_postgres_is_an_outage_until_it_goes_on() {
    let (server, place, made, hasty) = on_a_server_of_its_own().await;
    server.freeze();
    for _ in 0..20 {
        assert!(is_outage(&timeout(PATIENT, hasty.key_by_hash(&made.hash)).await.unwrap()));
    }
    let write =
        timeout(PATIENT, hasty.create_keys(vec![new(key(&place, 2))], audit("key.create"))).await.unwrap();
    assert!(matches!(write, Err(Failure::Trouble(Trouble::Outage { .. }))), "{write:?}");
    server.thaw();
    recovers(&hasty, &made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_postgres_is_not_noticed_by_who_asks_afterwards() {
    let (server, place, made, _) = on_a_server_of_its_own().await;
    // Several connections are left idle, and none of them hears of the restart.
    let ask = || place.store.key_by_hash(&made.hash);
    let asked = tokio::join!(ask(), ask(), ask());
    assert!([asked.0, asked.1, asked.2].iter().all(Result::is_ok));
    server.kill();
    server.restart();
    assert!(ask().await.unwrap().known.is_some());
    server.kill();
    server.restart();
    place.make(key(&place, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_starts_before_its_database() {
    let server = Postgres::start();
    let url = server.database();
    server.stop();
    let store = Store::connect_lazy(options(&url, PATIENT)).unwrap();
    assert!(is_outage(&store.ping().await));
    server.restart();
    store.ping().await.unwrap();
    latchkey_migrations::up(store.connection()).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), 0);
}

/// Asks until the database has caught up with what it missed.
async fn recovers(store: &Store, made: &KeyRecord) {
    let ask = async {
        while !store.key_by_hash(&made.hash).await.is_ok_and(|found| found.known.is_some()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENT, ask).await.unwrap();
}
