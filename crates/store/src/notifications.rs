//! PostgreSQL's word that something was committed. Each write says it in its own transaction; a connection
//! of its own listens. One that has gone silent is found by asking over it, so that a dead network is not
//! taken for a quiet day. Nothing depends on it: the feed is polled anyway.

use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::ChangeNotifications;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, Error as SqlxError};
use sea_orm::{ConnectionTrait, DbBackend};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};

use crate::error::StoreError;
use crate::pool::PooledConnection;

const CHANNEL: &str = "latchkey_changes";
/// Silence after which the connection is asked whether it is there, and how long it may take to answer:
/// together under a second.
const IDLE_BEFORE_PROBE: Duration = Duration::from_millis(400);
const PROBE_TIMEOUT: Duration = Duration::from_millis(400);
/// Between two tries to connect.
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// Says that something changes when this transaction commits. On SQLite nobody listens: one process serves.
pub(crate) async fn notify(connection: &PooledConnection) -> Result<(), StoreError> {
    if connection.get_database_backend() == DbBackend::Postgres {
        connection.execute_unprepared("NOTIFY latchkey_changes").await?;
    }
    Ok(())
}

/// Who listens.
pub(crate) struct PgNotifications {
    options: PgConnectOptions,
    notifications: Option<Receiver<()>>,
}

impl PgNotifications {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options, notifications: None }
    }
}

#[async_trait]
impl ChangeNotifications for PgNotifications {
    async fn next(&mut self) {
        loop {
            let options = &self.options;
            let notifications = self.notifications.get_or_insert_with(|| listen(options.clone()));
            if notifications.recv().await.is_some() {
                return;
            }
            tracing::debug!("wake-ups from the database ceased; its feed is polled meanwhile");
            self.notifications = None;
            sleep(RECONNECT_DELAY).await;
        }
    }
}

/// Listens over one connection until it is gone, or nobody cares any more.
///
/// On a runtime of its own: the library says goodbye over a connection that is dropped, and waits for the
/// answer without a bound. What still waits ends with its runtime, and the connection with it.
fn listen(options: PgConnectOptions) -> Receiver<()> {
    let (sender, notifications) = channel(1);
    std::thread::spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(relay(options, &sender));
        runtime.shutdown_background();
    });
    notifications
}

/// Says once that the connection is there, and then what arrives over it; one word waits, not many.
async fn relay(options: PgConnectOptions, sender: &Sender<()>) {
    let Ok(Ok(mut listener)) = timeout(2 * PROBE_TIMEOUT, connect(options)).await else { return };
    loop {
        let _ = sender.try_send(());
        if !recv(&mut listener, sender).await {
            return;
        }
    }
}

async fn connect(options: PgConnectOptions) -> Result<PgListener, SqlxError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PROBE_TIMEOUT);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options)).await?;
    // A lost connection is for us to notice, not to be replaced without a word.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Whether something was said; false: the connection is gone, or whoever wanted to know.
async fn recv(listener: &mut PgListener, sender: &Sender<()>) -> bool {
    while !sender.is_closed() {
        if let Ok(notification) = timeout(IDLE_BEFORE_PROBE, listener.try_recv()).await {
            return notification.is_ok_and(|notification| notification.is_some());
        }
        let asked = sqlx::raw_sql("SELECT 1").execute(&mut *listener);
        if !timeout(PROBE_TIMEOUT, asked).await.is_ok_and(|answer| answer.is_ok()) {
            return false;
        }
    }
    false
}
