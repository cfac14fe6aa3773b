//! PostgreSQL's word that something was committed. Each write says it in its own transaction; a connection
//! of its own listens. One that has gone silent is found by asking over it, so that a dead network is not
//! taken for a quiet day. Nothing depends on it: the feed is polled anyway.

use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::Wakeups;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, Error as SqlxError};
use sea_orm::{ConnectionTrait, DbBackend};
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
    listener: Option<PgListener>,
}

impl Listening {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options, listener: None }
    }

    async fn connect(&self) -> Result<PgListener, SqlxError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // A lost connection is for us to notice, not to be replaced without a word.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    /// Whether something was said; false: the connection is gone.
    async fn hear(listener: &mut PgListener) -> bool {
        loop {
            if let Ok(heard) = timeout(QUIET, listener.try_recv()).await {
                return heard.is_ok_and(|heard| heard.is_some());
            }
            let asked = sqlx::raw_sql("SELECT 1").execute(&mut *listener);
            if !timeout(PATIENCE, asked).await.is_ok_and(|answer| answer.is_ok()) {
                return false;
            }
        }
    }
}

#[async_trait]
impl Wakeups for Listening {
    async fn next(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            if Self::hear(&mut listener).await {
                self.listener = Some(listener);
                return;
            }
            tracing::warn!("wake-ups from the database ceased; its feed is polled meanwhile");
        }
        loop {
            match timeout(2 * PATIENCE, self.connect()).await {
                Ok(Ok(listener)) => {
                    self.listener = Some(listener);
                    return;
                }
                Ok(Err(_)) | Err(_) => sleep(PAUSE).await,
            }
        }
    }
}
