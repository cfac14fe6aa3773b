//! PostgreSQL notifies of commits, and a connection that has gone silent is detected.

use std::sync::Arc;

use latchkey_core::error::ManagementError;
use latchkey_management::ports::{AuditAction, ManagementStore, NewKey};
use latchkey_testing::{Postgres, Proxy, eventually_async};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::database::{TEST_TIMEOUT, TestDatabase, audit, key, new, options};

/// Returns the wake-ups that a store receives, as long as the tasks exist.
fn wakeups(store: &latchkey_store::Store, tasks: &mut JoinSet<()>) -> UnboundedReceiver<()> {
    let mut wakeups = store.notifications().unwrap();
    let (sender, received) = unbounded_channel();
    tasks.spawn(async move {
        loop {
            wakeups.next().await;
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    received
}

async fn once(received: &mut UnboundedReceiver<()>) {
    timeout(TEST_TIMEOUT, received.recv()).await.expect("a wake-up").unwrap();
}

#[tokio::test]
async fn a_commit_notifies_and_a_refused_write_does_not() {
    let (database, mut tasks) = (TestDatabase::postgres().await, JoinSet::new());
    let mut received = wakeups(&database.store, &mut tasks);
    once(&mut received).await;
    import(&database, 1).await.unwrap();
    once(&mut received).await;
    import(&database, 1).await.unwrap_err();
    import(&database, 2).await.unwrap();
    once(&mut received).await;
    // No replica caches anything about a value that is new.
    database.make(key(&database, 3)).await;
    assert!(received.try_recv().is_err(), "a rolled-back write, or a new key, sent a notification");
}

/// Imports a key. Its value may be cached as unknown, so that replicas are notified.
async fn import(database: &TestDatabase, number: u128) -> Result<(), ManagementError> {
    let key = NewKey { imported: true, ..new(key(database, number)) };
    database.store.create_keys(vec![key], audit(AuditAction::KeyImport)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_or_broken_connection_is_replaced() {
    let postgres = Arc::new(Postgres::start());
    let url = postgres.database();
    let proxy = Proxy::to(postgres.port());
    let through = postgres.through(proxy.port(), &url);
    let database = TestDatabase::at(url, None).await;
    let store = latchkey_store::Store::connect_lazy(options(&through, TEST_TIMEOUT)).unwrap();
    let mut tasks = JoinSet::new();
    let mut received = wakeups(&store, &mut tasks);
    once(&mut received).await;
    let connected = proxy.connections();
    proxy.black_hole(true);
    let another = async || (proxy.connections() > connected).then_some(());
    eventually_async("the silence is detected and another connection is opened", another).await;
    proxy.reset();
    proxy.black_hole(false);
    once(&mut received).await;
    import(&database, 1).await.unwrap();
    once(&mut received).await;
    proxy.reset();
    once(&mut received).await;
    import(&database, 2).await.unwrap();
    once(&mut received).await;
}
