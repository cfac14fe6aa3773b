//! A small, bounded connection pool. A caller never waits longer than its deadline.
//!
//! It replaces the pool of sqlx 0.9.0 for these reasons:
//!
//! - sqlx tests a returned connection without a deadline. While the database hangs, each caller that gave up costs
//!   a permit, which sqlx may never get back ([sqlx#4349]). This pool lets a statement run on for a second after its
//!   caller gave up, then closes the connection, and ends a rollback after [`END_TIMEOUT`].
//! - sqlx opens a connection inside of its caller's `acquire` and drops it when the caller gives up, so that with a
//!   short deadline no connection may ever be opened ([sqlx#3513]). Its caller also no longer takes a connection
//!   that becomes idle meanwhile ([sqlx#2848]). This pool opens a connection in a task of its own, which goes on
//!   without the caller.
//! - A caller that gives up while sqlx sends `BEGIN` leaves the connection to PostgreSQL in a transaction, in which
//!   the next caller's statements run ([sqlx#4393]; [fixed] after 0.9.0). This pool rolls it back first.
//! - sqlx sends a ping before every use, which costs a round trip ([sqlx#1743]), or with `test_before_acquire`
//!   switched off hands out connections that a restart of the database has broken. This pool sends no ping, and
//!   repeats the first statement on a new connection if an idle one proves to be broken.
//! - sqlx does not reserve connections for reads. In this pool, writes take half of the connections at most.
//!
//! The second reason ends when sqlx releases its [new pool].
//!
//! [sqlx#1743]: https://github.com/transact-rs/sqlx/issues/1743
//! [sqlx#2848]: https://github.com/transact-rs/sqlx/issues/2848
//! [sqlx#3513]: https://github.com/transact-rs/sqlx/issues/3513
//! [sqlx#4349]: https://github.com/transact-rs/sqlx/issues/4349
//! [sqlx#4393]: https://github.com/transact-rs/sqlx/issues/4393
//! [fixed]: https://github.com/transact-rs/sqlx/pull/4394
//! [new pool]: https://github.com/transact-rs/sqlx/pull/3582

mod cause;
mod database_file;
mod dialect;
pub(crate) mod durability;
mod failures;
mod file_place;
mod header;
mod mark_file;
mod notices;
mod open_error;
mod opening;
mod pg_session;
mod pool_entry;
mod pooled_connection;
mod postgres;
mod postgres_url;
mod raw_connection;
mod relay;
mod routes;
mod session;
mod sqlite_file;
mod statement;
mod target;
mod url_file;
mod write_ahead_log;

pub use cause::cause_of;
pub use database_file::DatabaseFileError;
pub use dialect::Dialect;
pub use durability::Durability;
pub use failures::DatabaseFailure;
pub use file_place::UnsafePlace;
pub use mark_file::MismatchedFiles;
pub use notices::commit_migrations;
pub(crate) use notices::is_unconfirmed;
pub use pg_session::Pooler;
pub(crate) use pooled_connection::PooledConnection;
pub(crate) use postgres::PostgresTarget;
pub use postgres_url::Transport;
pub(crate) use target::DatabaseTarget;
pub use target::{InvalidUrl, check_url};

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::error::lacks_function;
use database_file::DatabaseFile;
use failures::{FailedStep, Failures};
use open_error::OpenError;
use opening::{OpenOutcome, Openings};
use pool_entry::PoolEntry;
use raw_connection::{RawConnection, SqlCommand};

/// Time limit for opening a connection to one host. It suffices for TLS and a password at a distance of 100 ms each
/// way, which takes up to ten round trips. A permit is lost for this time to a database that does not respond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time limit for closing a connection and for rolling back.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of one process to one database.
pub(crate) struct Pool {
    target: DatabaseTarget,
    idle: Mutex<Vec<PoolEntry>>,
    /// Generation of the connections. It is raised to replace all of them: those of an earlier generation are
    /// closed.
    generation: AtomicU64,
    permits: Arc<Semaphore>,
    /// Limits writes, which wait for each other in the database anyway, so that they never take every permit
    /// from reads. SQLite has a single write permit, so that no write meets another's lock.
    writers: Arc<Semaphore>,
    limit: usize,
    failures: Failures,
    openings: Mutex<Openings>,
    /// Number of open connections.
    open: Arc<AtomicUsize>,
    /// True if the server does not have, or does not permit, the functions that name its timeline.
    without_timeline: AtomicBool,
    /// True if the server does not have advisory locks, or does not permit them.
    without_advisory_locks: AtomicBool,
    /// Connection that keeps the write-ahead log of a locked SQLite database open: SQLite removes the log when the last
    /// connection is closed, and would create another one.
    log_keeper: tokio::sync::Mutex<Option<RawConnection>>,
    /// The file of a SQLite database, once it is locked. After the connections, so that it is closed last.
    file: Mutex<Option<DatabaseFile>>,
}

/// Numbers of connections to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Open and unused.
    pub idle: usize,
    /// In use or being opened.
    pub used: usize,
    /// Maximum number of connections.
    pub limit: usize,
}

impl Pool {
    pub(crate) fn new(target: DatabaseTarget, connections: u32) -> Arc<Self> {
        let permits = usize::try_from(connections).unwrap_or(usize::MAX).clamp(2, Semaphore::MAX_PERMITS);
        let writers = if target.has_single_writer() { 1 } else { permits / 2 };
        let (limit, permits) = (permits, Arc::new(Semaphore::new(permits)));
        Arc::new(Self {
            target,
            idle: Mutex::default(),
            generation: AtomicU64::new(0),
            permits,
            writers: Arc::new(Semaphore::new(writers)),
            limit,
            failures: Failures::default(),
            openings: Mutex::default(),
            open: Arc::default(),
            without_timeline: AtomicBool::new(false),
            without_advisory_locks: AtomicBool::new(false),
            log_keeper: tokio::sync::Mutex::default(),
            file: Mutex::default(),
        })
    }

    /// Returns the numbers of idle, used and possible connections.
    pub(crate) fn connections(&self) -> Connections {
        let used = self.limit.saturating_sub(self.permits.available_permits());
        Connections { idle: self.idle().len(), used, limit: self.limit }
    }

    /// Returns a connection for one query.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<PooledConnection, DbErr> {
        loop {
            self.restore_withheld(Instant::now());
            let permit = acquire_permit(&self.permits).await?;
            if let Some(entry) = self.take_idle(Instant::now()) {
                return Ok(PooledConnection::new(Arc::clone(self), entry, permit, true));
            }
            if let OpenOutcome::Connection(entry, permit) = Box::pin(self.open(permit)).await? {
                return Ok(PooledConnection::new(Arc::clone(self), entry, permit, false));
            }
        }
    }

    /// Returns a connection with an open transaction, for one write.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<PooledConnection, DbErr> {
        self.begin_with(None).await
    }

    /// Returns a connection with an open transaction, for one write, which holds an advisory lock. Where there are no such
    /// locks, it begins without: in SQLite, and on servers that lack them or do not permit them.
    pub(crate) async fn begin_locked(self: &Arc<Self>, lock: i64) -> Result<PooledConnection, DbErr> {
        match self.begin_with(Some(lock)).await {
            Err(error) if lacks_function(&error) => {
                let connection = self.begin_with(None).await?;
                // A transaction begins, so that the lock was the reason.
                connection.leave_advisory_locks_out();
                Ok(connection)
            }
            result => result,
        }
    }

    async fn begin_with(self: &Arc<Self>, lock: Option<i64>) -> Result<PooledConnection, DbErr> {
        let write_permit = acquire_permit(&self.writers).await?;
        self.check_file_content()?;
        self.acquire().await?.begin(write_permit, lock).await
    }

    /// Returns why the database can't be used, as far as it is known from the last connections and statements.
    pub(crate) fn failure(&self) -> Option<DatabaseFailure> {
        self.failures.present(Instant::now())
    }

    /// Records that a call had no answer within its deadline.
    pub(crate) fn missed_deadline(&self, deadline: Duration) {
        let cause = match self.connections() {
            Connections { used, limit, .. } if used >= limit => {
                format!(
                    "no connection became free within {deadline:?}: all {limit} are in use or being opened"
                )
            }
            Connections { .. } => format!("no answer within {deadline:?}"),
        };
        self.failures.record(FailedStep::Deadline, DatabaseFailure { cause, refused: false }, Instant::now());
    }

    /// Records a failed statement, if its error says something about the state of the database.
    fn record_statement(&self, error: &SqlxError) {
        // A schema that is not there yet is reported by the start, which looks at it as a whole.
        if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42P01")) {
            return;
        }
        if let Some(cause) = cause::describe(error) {
            let refused = error.as_database_error().is_some() || is_unconfirmed(error);
            let failure = DatabaseFailure { cause, refused };
            self.failures.record(FailedStep::Statement, failure, Instant::now());
        }
    }

    /// Replaces all connections: idle ones are closed at once, those in use when they are returned.
    pub(crate) fn replace_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.drain_idle();
    }

    /// Closes idle connections and refuses new ones.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.writers.close();
        let idle = std::mem::take(&mut *self.idle());
        for entry in idle {
            // A database that does not respond needs no orderly close.
            let _ = timeout(END_TIMEOUT, entry.close()).await;
        }
        if let Some(mut keeper) = self.log_keeper.lock().await.take() {
            // Connections that were dropped close later. The last one to close would write the log into the database, and the
            // process may end before.
            let save = SqlCommand::Plain("PRAGMA wal_checkpoint(TRUNCATE)".to_owned());
            let _ = timeout(END_TIMEOUT, keeper.run(save)).await;
            let _ = timeout(END_TIMEOUT, keeper.close()).await;
            self.sync_record();
        }
    }

    /// Takes the connection that was used last, and closes those that may not be used any more.
    fn take_idle(&self, now: Instant) -> Option<PoolEntry> {
        let mut idle = self.idle();
        self.close_unusable(&mut idle, now);
        idle.pop()
    }

    /// Keeps a connection for the next caller, if it may still be used and the pool is open.
    fn return_idle(&self, mut entry: PoolEntry, now: Instant) {
        if self.permits.is_closed() {
            return;
        }
        entry.mark_idle(now);
        let mut idle = self.idle();
        idle.push(entry);
        self.close_unusable(&mut idle, now);
    }

    /// Closes idle connections that are too old, were idle for too long, or are of an earlier generation. There is
    /// no task for that: each call that takes or returns a connection does it.
    fn close_unusable(&self, idle: &mut Vec<PoolEntry>, now: Instant) {
        let generation = self.generation.load(Ordering::SeqCst);
        idle.retain(|entry| entry.is_usable(generation, now));
    }

    /// Closes all idle connections. Called after a connection broke or went silent, since idle connections were
    /// opened to the same database earlier and may be broken as well.
    fn drain_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PoolEntry>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to hold one connection.
type PoolPermit = OwnedSemaphorePermit;

async fn acquire_permit(permits: &Arc<Semaphore>) -> Result<PoolPermit, DbErr> {
    let permit = Arc::clone(permits).acquire_owned().await;
    permit.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
}

#[cfg(test)]
mod tests;
