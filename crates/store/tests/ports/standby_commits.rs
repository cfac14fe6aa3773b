//! Commits that did not wait for the synchronous standby, since the wait was cancelled: PostgreSQL says so by a warning
//! alone. It says nothing if the wait ended because the list of standbys was emptied. They are no success.

use std::pin::pin;
use std::time::Duration;

use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::ports::{ChangeFeed, Replicas};
use latchkey_core::record::KeyLifecycle;
use latchkey_management::ports::bulk::{BulkChange, BulkStore};
use latchkey_management::ports::{AuditAction, ManagementStore};
use latchkey_store::{Pooler, Store, StoreOptions, commit_migrations};
use latchkey_testing::Postgres;

use crate::database::{TEST_TIMEOUT, TestDatabase, audit, key, options};
use crate::replicas::{announced, replica};

/// Waits for a call whose commits wait for a standby, and cancels these waits.
async fn without_the_standby<F: Future>(server: &Postgres, call: F) -> F::Output {
    tokio::task::block_in_place(|| server.commit_with_absent_standby());
    let mut call = pin!(call);
    let output = loop {
        tokio::select! {
            output = &mut call => break output,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                let _ = server.cancel_standby_waits("true");
            }
        }
    };
    server.set("synchronous_standby_names", "");
    output
}

/// Waits for a call whose commit waits for a standby, and empties the list of standbys meanwhile.
async fn with_standbys_forgotten<F: Future>(server: &Postgres, call: F) -> F::Output {
    tokio::task::block_in_place(|| server.commit_with_absent_standby());
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut call = pin!(call);
    loop {
        tokio::select! {
            _ = &mut call => panic!("the commit does not wait"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                if server.sql(&server.url("postgres"), waiting) != "0" {
                    break;
                }
            }
        }
    }
    server.set("synchronous_standby_names", "");
    call.await
}

#[track_caller]
fn assert_unconfirmed(error: &SystemError) {
    let unavailable = matches!(error, SystemError::Unavailable { .. });
    assert!(unavailable && error.to_string().contains("its standby may lack the change"), "{error}");
}

async fn a_cancelled_wait_is_no_success(pooler: Pooler) {
    let server = Postgres::start();
    let database = TestDatabase::at(server.database(), None).await;
    let made = database.make(key(&database, 1)).await;
    let store = Store::connect_lazy(StoreOptions { pooler, ..options(&database.url, TEST_TIMEOUT) }).unwrap();
    store.register(&replica("1"), &announced(0, 1)).await.unwrap();
    let change = BulkChange::Revoke { reason: "leaked".to_owned() };
    let ids = [made.id];
    let revoke = || store.change_keys(&ids, &change, &|_, _| Ok(()), audit(AuditAction::KeyRevoke));
    let revoked = Box::pin(without_the_standby(&server, revoke())).await;
    let Err(ManagementError::System(error)) = revoked else { panic!("acknowledged: {revoked:?}") };
    assert_unconfirmed(&error);
    let failure = store.failure().unwrap();
    assert!(failure.refused && failure.cause.contains("pg_cancel_backend"), "{failure:?}");
    // The primary has it, and a heartbeat that its standby lacks does not prove that the standby has it.
    let lifecycle = store.key(made.id).await.unwrap().unwrap().lifecycle;
    assert!(matches!(lifecycle, KeyLifecycle::Revoked { .. }), "{lifecycle:?}");
    let (same, next) = (replica("1"), announced(0, 2));
    let beat = Box::pin(without_the_standby(&server, store.poll(Some((&same, &next)), 1, 10))).await;
    assert_unconfirmed(&beat.unwrap_err());
    assert!(store.poll(Some((&same, &next)), 1, 10).await.unwrap().heartbeat);
    assert!(!revoke().await.unwrap().changed);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_wait_for_the_standby_is_no_success() {
    a_cancelled_wait_is_no_success(Pooler::Session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_wait_for_the_standby_is_no_success_where_each_statement_is_a_transaction() {
    a_cancelled_wait_is_no_success(Pooler::Transaction).await;
}

async fn a_wait_that_ends_with_the_list_is_no_success(pooler: Pooler) {
    let server = Postgres::start();
    let database = TestDatabase::at(server.database(), None).await;
    let made = database.make(key(&database, 1)).await;
    let store = Store::connect_lazy(StoreOptions { pooler, ..options(&database.url, TEST_TIMEOUT) }).unwrap();
    let change = BulkChange::Revoke { reason: "leaked".to_owned() };
    let ids = [made.id];
    let revoke = || store.change_keys(&ids, &change, &|_, _| Ok(()), audit(AuditAction::KeyRevoke));
    let revoked = Box::pin(with_standbys_forgotten(&server, revoke())).await;
    let Err(ManagementError::System(error)) = revoked else { panic!("acknowledged: {revoked:?}") };
    assert_unconfirmed(&error);
    let failure = store.failure().unwrap();
    assert!(failure.cause.contains("synchronous_standby_names was emptied"), "{failure:?}");
    assert!(!revoke().await.unwrap().changed, "the primary has it, and no commit waits any more");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_a_standby_that_is_no_longer_named_is_no_success() {
    a_wait_that_ends_with_the_list_is_no_success(Pooler::Session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_a_standby_that_is_no_longer_named_is_no_success_where_each_statement_is_a_transaction() {
    a_wait_that_ends_with_the_list_is_no_success(Pooler::Transaction).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_whose_wait_for_the_standby_was_cancelled_are_no_success() {
    let server = Postgres::start();
    let store = Store::connect_lazy(options(&server.database(), TEST_TIMEOUT)).unwrap();
    let migrate = || latchkey_migrations::up_by(store.connection(), commit_migrations);
    let error = Box::pin(without_the_standby(&server, migrate())).await.unwrap_err();
    assert!(error.to_string().contains("pg_cancel_backend"), "{error}");
    migrate().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_of_a_statement_is_none_of_its_commit() {
    let database = TestDatabase::postgres().await;
    database.store.register(&replica("1"), &announced(0, 1)).await.unwrap();
    let warn = "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN RAISE WARNING ''the database must be vacuumed''; RETURN NEW; END'";
    database.sql(warn).await;
    for table in ["replicas", "keys"] {
        let trigger = format!(
            "CREATE TRIGGER warn BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION warn()"
        );
        database.sql(&trigger).await;
    }
    let polled = database.store.poll(Some((&replica("1"), &announced(0, 2))), 1, 10).await.unwrap();
    assert!(polled.heartbeat);
    database.make(key(&database, 1)).await;
}
