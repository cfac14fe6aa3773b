//! The store: core's ports, implemented over the pool. Each call is one query or one write, under one deadline
//! that covers waiting for a connection as well as the response.

mod audit;
mod bulk;
mod deadline;
mod deletion;
mod fleet;
mod health;
mod lookup;
mod management;
mod recovery;
mod sealed_values;
mod tokens;
mod trial;
mod usage;

pub use self::lookup::ManagementLookups;
pub use self::trial::Integrity;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::ChangeNotifications;
use latchkey_core::ports::timing::{NoopTimer, QueryKind, QueryTimer};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::sync::Semaphore;

use crate::batch::WriteQueue;
use crate::notifications::PgNotifications;
use crate::pool::{
    Connections, DatabaseTarget, Dialect, InvalidUrl, Pool, Pooler, PostgresTarget, Transport,
};
use crate::prune;

/// Options for connecting to the database.
#[derive(Clone)]
pub struct StoreOptions {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: String,
    /// Maximum number of open connections, at least 2: writes leave half of them to reads.
    pub connections: u32,
    /// Deadline of Check's key look-ups (by default 120 ms: with the rest of a call, Envoy still gets its answer in time).
    pub check_deadline: Duration,
    /// Deadline of all other calls.
    pub deadline: Duration,
    /// Connection pooler in front of PostgreSQL.
    pub pooler: Pooler,
    /// Kind of a server that speaks PostgreSQL's protocol.
    pub dialect: Dialect,
}

/// Omits the URL, which may hold a password.
impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreOptions").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// The persistent store on SQLite or PostgreSQL. Shared in an `Arc`.
pub struct Store {
    pool: Arc<Pool>,
    writes: Arc<WriteQueue>,
    /// Permits of reads of lists, which leave connections to look-ups and writes.
    lists: Semaphore,
    /// Connections for migrations, one for each host.
    connections: Vec<DatabaseConnection>,
    postgres: Option<Arc<PostgresTarget>>,
    check_deadline: Duration,
    deadline: Duration,
    /// Factor of the deadline, for a start that is repeated.
    patience: AtomicU32,
    timer: Arc<dyn QueryTimer>,
    /// Revision that look-ups must have reached; an answer from before it comes from a server that is behind.
    required_revision: AtomicU64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Creates a store without connecting. The database need not be up: the first query connects.
    pub fn connect_lazy(options: StoreOptions) -> Result<Self, InvalidUrl> {
        let StoreOptions { url, connections, check_deadline, deadline, pooler, dialect } = options;
        let target = DatabaseTarget::parse(&url, deadline, (pooler, dialect))?;
        let (migrations, postgres) = (target.connections(), target.postgres().cloned());
        let pool = Pool::new(target, connections);
        Ok(Self {
            writes: WriteQueue::new(Arc::clone(&pool), deadline),
            pool,
            lists: Semaphore::new(deadline::lists_at_once(connections)),
            connections: migrations,
            postgres,
            check_deadline,
            deadline,
            patience: AtomicU32::new(1),
            timer: Arc::new(NoopTimer),
            required_revision: AtomicU64::new(0),
        })
    }

    /// Reads the user and the password of PostgreSQL from this file for each new connection; `url` was its content. Does
    /// nothing on SQLite.
    #[must_use]
    pub fn with_url_file(self, path: PathBuf, url: &str) -> Self {
        if let Some(target) = &self.postgres {
            target.follow_file(path, url);
        }
        self
    }

    /// Reports the duration of each query to `timer`, including the wait for a connection. Migrations are not
    /// reported.
    #[must_use]
    pub fn with_query_timer(self, timer: Arc<dyn QueryTimer>) -> Self {
        Self { timer, ..self }
    }

    /// Returns the numbers of the pool's connections.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.pool.connections()
    }

    /// Checks that the database responds.
    pub async fn ping(&self) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Ping, async {
            Ok(self.pool.acquire().await?.execute_unprepared("SELECT 1").await.map(drop)?)
        })
        .await
    }

    /// Returns the source of commit notifications, if the database has them: on PostgreSQL, over a dedicated
    /// connection; not through a pooler in transaction mode, and not from servers that lack them.
    #[must_use]
    pub fn notifications(&self) -> Option<Box<dyn ChangeNotifications>> {
        self.postgres
            .clone()
            .filter(|target| target.can_listen())
            .map(|target| Box::new(PgNotifications::new(target)) as _)
    }

    /// Returns a connection for migrations. It is opened when it is used, closed afterwards, and has no time
    /// limit for statements. Of several hosts, it is to the one that was connected to last: see [`Store::reach`].
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        let Some(target) = &self.postgres else { return &self.connections[0] };
        let connection = &self.connections[target.current()];
        target.refresh(connection);
        connection
    }

    /// Returns the protection of the connection to PostgreSQL, the weakest among its hosts; `None` on SQLite.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        self.postgres.as_ref().map(|target| target.transport())
    }

    /// Closes every connection; those in use are closed when they are returned. Later calls fail as
    /// unavailable.
    pub async fn close(&self) {
        self.pool.close().await;
        // A connection that fails to close needs no further handling.
        for connection in &self.connections {
            let _ = connection.close_by_ref().await;
        }
    }

    /// Deletes change-feed rows that no replica needs, beyond the newest `keep`. Returns how many. Works in
    /// batches, each under a deadline of its own.
    pub async fn prune_feed(&self, keep: u64) -> Result<u64, SystemError> {
        let mut taken = 0;
        loop {
            let piece = async { prune::prune_feed(&self.pool.acquire().await?, keep).await };
            match self.with_deadline::<_, SystemError>(QueryKind::Prune, piece).await? {
                0 => return Ok(taken),
                some => taken += some,
            }
        }
    }
}
