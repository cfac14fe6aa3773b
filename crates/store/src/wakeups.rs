//! PostgreSQL's word that something was committed. Each write says it in its own transaction; a connection
//! of its own listens. One that has gone silent is found by asking over it, so that a dead network is not
//! taken for a quiet day. Nothing depends on it: the feed is polled anyway.

use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::Wakeups;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, Error as SqlxError};
use sea_orm::{ConnectionTrait, DbBackend};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};

use crate::pool::Lease;
use crate::stop::Stop;

const CHANNEL: &str = "latchkey_changes";
/// Silence after which the connection is asked whether it is there, and how long it may take to say so:
/// together under a second.
const QUIET: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(400);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// Says that something changes when this transaction commits. On SQLite nobody listens: one process serves.
pub(crate) async fn say(lease: &Lease) -> Result<(), Stop> {
    if lease.get_database_backend() == DbBackend::Postgres {
        lease.execute_unprepared("NOTIFY latchkey_changes").await?;
    }
    Ok(())
}

/// Who listens.
pub(crate) struct Listening {
    options: PgConnectOptions,
    heard: Option<Receiver<()>>,
}

impl Listening {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options, heard: None }
    }
}

#[async_trait]
impl Wakeups for Listening {
    async fn next(&mut self) {
        loop {
            let options = &self.options;
            let heard = self.heard.get_or_insert_with(|| listen(options.clone()));
            if heard.recv().await.is_some() {
                return;
            }
            tracing::debug!("wake-ups from the database ceased; its feed is polled meanwhile");
            self.heard = None;
            sleep(PAUSE).await;
        }
    }
}

/// Listens over one connection until it is gone, or nobody cares any more.
///
/// On a runtime of its own: the library says goodbye over a connection that is dropped, and waits for the
/// answer without a bound. What still waits ends with its runtime, and the connection with it.
fn listen(options: PgConnectOptions) -> Receiver<()> {
    let (say, heard) = channel(1);
    std::thread::spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(relay(options, &say));
        runtime.shutdown_background();
    });
    heard
}

/// Says once that the connection is there, and then what is heard over it; one word waits, not many.
async fn relay(options: PgConnectOptions, say: &Sender<()>) {
    let Ok(Ok(mut listener)) = timeout(2 * PATIENCE, connect(options)).await else { return };
    loop {
        let _ = say.try_send(());
        if !hear(&mut listener, say).await {
            return;
        }
    }
}

async fn connect(options: PgConnectOptions) -> Result<PgListener, SqlxError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(options)).await?;
    // A lost connection is for us to notice, not to be replaced without a word.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Whether something was said; false: the connection is gone, or whoever wanted to know.
async fn hear(listener: &mut PgListener, say: &Sender<()>) -> bool {
    while !say.is_closed() {
        if let Ok(heard) = timeout(QUIET, listener.try_recv()).await {
            return heard.is_ok_and(|heard| heard.is_some());
        }
        let asked = sqlx::raw_sql("SELECT 1").execute(&mut *listener);
        if !timeout(PATIENCE, asked).await.is_ok_and(|answer| answer.is_ok()) {
            return false;
        }
    }
    false
}
