//! The store: core's ports over the pool. Each call is one question or one write, under one deadline that
//! covers waiting for a connection as well as the answer.

mod audit;
mod health;
mod ledger;
mod lookup;
mod seals;
mod tokens;
mod usage;
mod within;

pub use self::lookup::Patient;

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::ports::timing::{Question, Stopwatch, Untimed};
use latchkey_core::ports::{Change, Feed, Replica, Replicas, Wakeups};
use latchkey_core::trouble::Trouble;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::pool::{BadUrl, Connections, Pool, Source};
use crate::query;
use crate::wakeups::Listening;
use crate::{prune, replicas};

/// How to reach the database.
#[derive(Clone)]
pub struct StoreOptions {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: String,
    /// The most connections that are open at once, at least 2: writes leave half of them to the rest.
    pub connections: u32,
    /// How long Check waits for a key (80 ms: with the rest of a call, Envoy still hears in time).
    pub check_deadline: Duration,
    /// How long everything else waits.
    pub deadline: Duration,
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// The ledger on SQLite or PostgreSQL. Cheap to share in an `Arc`.
pub struct Store {
    pool: Arc<Pool>,
    connection: DatabaseConnection,
    listening: Option<PgConnectOptions>,
    check_deadline: Duration,
    deadline: Duration,
    stopwatch: Arc<dyn Stopwatch>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Gets ready to connect. The database is asked for when something is asked of it: it needn't be up.
    pub fn connect_lazy(options: StoreOptions) -> Result<Self, BadUrl> {
        let StoreOptions { url, connections, check_deadline, deadline } = options;
        let source = Source::parse(&url, deadline)?;
        let connection = source.connection();
        let listening = source.postgres().cloned();
        let pool = Pool::new(source.bounded(deadline), connections);
        Ok(Self { pool, connection, listening, check_deadline, deadline, stopwatch: Arc::new(Untimed) })
    }

    /// Tells this one how long each question takes, from the wait for a connection on. Migrations aren't among them.
    #[must_use]
    pub fn timed(self, stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { stopwatch, ..self }
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.pool.connections()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Trouble> {
        self.within(Question::Ping, async {
            Ok(self.pool.lease().await?.execute_unprepared("SELECT 1").await.map(drop)?)
        })
        .await
    }

    /// Who tells of commits, where the database does that: PostgreSQL, on a connection of its own.
    #[must_use]
    pub fn wakeups(&self) -> Option<Box<dyn Wakeups>> {
        self.listening.clone().map(|options| Box::new(Listening::new(options)) as _)
    }

    /// A connection for migrations: opened when it is used, closed after, without a bound on statements.
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Closes every connection, those in use when they come back. Whatever is asked later is an outage.
    pub async fn close(&self) {
        self.pool.close().await;
        // Nothing is left to be done about a connection that doesn't close.
        let _ = self.connection.close_by_ref().await;
    }

    /// Takes rows of the change feed away that nobody needs, beyond the newest `keep`; answers how many. In
    /// pieces, each with the deadline for itself.
    pub async fn prune_feed(&self, keep: u64) -> Result<u64, Trouble> {
        let mut taken = 0;
        loop {
            let piece = async { prune::feed(&self.pool.lease().await?, keep).await };
            match self.within::<_, Trouble>(Question::Prune, piece).await? {
                0 => return Ok(taken),
                some => taken += some,
            }
        }
    }
}

#[async_trait::async_trait]
impl Feed for Store {
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, Trouble> {
        self.within(Question::Feed, async {
            query::feed::changes(&self.pool.lease().await?, after, limit).await
        })
        .await
    }

    async fn revision(&self) -> Result<u64, Trouble> {
        self.within(Question::Feed, async { query::feed::revision(&self.pool.lease().await?).await }).await
    }
}

#[async_trait::async_trait]
impl Replicas for Store {
    async fn report(&self, replica: &Replica, revision: u64, holds: Duration) -> Result<(), Trouble> {
        self.within(Question::Report, async {
            replicas::report(&self.pool.lease().await?, replica, revision, holds).await
        })
        .await
    }

    async fn advance(&self, replica: &Replica, revision: u64) -> Result<(), Trouble> {
        self.within(Question::Report, async {
            replicas::advance(&self.pool.lease().await?, replica, revision).await
        })
        .await
    }

    async fn leave(&self, replica: &Replica) -> Result<(), Trouble> {
        self.within(Question::Report, async { replicas::leave(&self.pool.lease().await?, replica).await })
            .await
    }

    async fn behind(&self, replica: &Replica, revision: u64) -> Result<u64, Trouble> {
        self.within(Question::Spread, async {
            replicas::behind(&self.pool.lease().await?, replica, revision).await
        })
        .await
    }
}
