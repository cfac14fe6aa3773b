//! A connection that is in use. Dropping it returns it to the pool, after a rollback if a transaction is open. A
//! statement that is not answered yet runs on for a while first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::pool_entry::PoolEntry;
use super::raw_connection::{SqlCommand, SqlOutcome};
use super::statement::HeldConnection;
use super::{Dialect, OpenOutcome, Pool, PoolPermit, statement};
use crate::error::{breaks_connection, shows_standby};

/// A connection of the pool, on which sea-orm runs its queries.
pub(crate) struct PooledConnection {
    pool: Arc<Pool>,
    backend: DbBackend,
    /// True if the connection must not be used again.
    stale: AtomicBool,
    state: Mutex<ConnectionState>,
}

struct ConnectionState {
    /// The connection; `None` while a statement runs, or after it was lost.
    held: Option<Box<HeldConnection>>,
    /// True until the first statement if the connection was idle: the database may have restarted meanwhile.
    reused: bool,
    /// True after an error that makes the connection unusable.
    broken: bool,
    /// Number of the next commit of a SQLite database, while a transaction is open.
    next_commit: Option<i32>,
}

impl PooledConnection {
    pub(super) fn new(pool: Arc<Pool>, entry: PoolEntry, permit: PoolPermit, reused: bool) -> Self {
        let backend = entry.raw.backend();
        let held = Some(Box::new(HeldConnection { entry, permit, write_permit: None, open: false }));
        let state = Mutex::new(ConnectionState { held, reused, broken: false, next_commit: None });
        Self { pool, backend, stale: AtomicBool::new(false), state }
    }

    /// Closes this connection when it is dropped, and every other connection of the pool: idle ones at once,
    /// those in use when they are returned. Called when an answer shows that the server is not, or is no longer,
    /// the one to ask.
    pub(crate) fn mark_stale(&self) {
        if !self.stale.swap(true, Ordering::Relaxed) {
            self.pool.replace_all();
        }
    }

    /// Returns the kind of a server that speaks PostgreSQL's protocol; `None` for SQLite.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        self.pool.target.dialect()
    }

    /// Returns whether the server names its timeline, as far as that is known.
    pub(crate) fn has_timeline(&self) -> bool {
        self.dialect() == Some(Dialect::Postgres) && !self.pool.without_timeline.load(Ordering::Relaxed)
    }

    /// Records that the server does not name its timeline.
    pub(crate) fn leave_timeline_out(&self) {
        self.pool.without_timeline.store(true, Ordering::Relaxed);
    }

    /// Returns whether the server has advisory locks, as far as that is known.
    fn has_advisory_locks(&self) -> bool {
        self.dialect() == Some(Dialect::Postgres) && !self.pool.without_advisory_locks.load(Ordering::Relaxed)
    }

    /// Records that the server does not have advisory locks, or does not permit them.
    pub(super) fn leave_advisory_locks_out(&self) {
        self.pool.without_advisory_locks.store(true, Ordering::Relaxed);
    }

    /// Begins a transaction, which holds an advisory lock if `lock` names one and the server has them.
    pub(super) async fn begin(mut self, write_permit: PoolPermit, lock: Option<i64>) -> Result<Self, DbErr> {
        if let Some(held) = &mut self.state.get_mut().held {
            held.write_permit = Some(write_permit);
        }
        let lock = lock.filter(|_| self.has_advisory_locks());
        let begun = self.run(SqlCommand::Begin(lock)).await?;
        self.state.get_mut().next_commit = begun.next_commit();
        Ok(self)
    }

    /// Commits the transaction. After an error, it is unknown whether the transaction was committed. A commit
    /// into a SQLite file that has been replaced or overwritten is an error, since it will not be read again.
    pub(crate) async fn commit(mut self) -> Result<(), DbErr> {
        self.pool.check_file_content()?;
        let commit = self.state.get_mut().next_commit;
        self.run(SqlCommand::Commit(commit)).await?;
        self.pool.check_file_content()?;
        if let Some(commit) = commit {
            self.pool.record_commit(commit);
        }
        Ok(())
    }

    async fn run(&self, command: SqlCommand) -> Result<SqlOutcome, DbErr> {
        let mut state = self.state.lock().await;
        let repeated = state.reused.then(|| command.clone());
        let mut outcome = state.run(&self.pool, command).await;
        if outcome.as_ref().is_err_and(shows_standby) {
            self.mark_stale();
        }
        let broken = outcome.as_ref().is_err_and(breaks_connection);
        if let Some(command) = repeated.filter(|_| broken) {
            // The database restarted, or became a standby, while the connection was idle, and no statement has
            // been run on it yet.
            self.pool.drain_idle();
            Box::pin(state.replace(&self.pool)).await?;
            self.stale.store(false, Ordering::Relaxed);
            outcome = state.run(&self.pool, command).await;
        }
        state.reused = false;
        state.broken = outcome.as_ref().is_err_and(breaks_connection);
        outcome.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

impl ConnectionState {
    async fn run(&mut self, pool: &Arc<Pool>, command: SqlCommand) -> Result<SqlOutcome, SqlxError> {
        let Some(held) = self.held.take() else { return Err(SqlxError::PoolClosed) };
        let (held, outcome) = Box::pin(statement::run(Arc::clone(pool), held, command)).await;
        self.held = held;
        if let Err(error) = &outcome {
            pool.record_statement(error);
        }
        outcome
    }

    /// Replaces a broken connection by a new one with the same permits.
    async fn replace(&mut self, pool: &Arc<Pool>) -> Result<(), DbErr> {
        let closed = || DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        let HeldConnection { entry, permit, write_permit, .. } = *self.held.take().ok_or_else(closed)?;
        drop(entry);
        // If the server has no more connections to give, the call fails and may be repeated.
        let OpenOutcome::Connection(entry, permit) = pool.open(permit).await? else { return Err(closed()) };
        self.held = Some(Box::new(HeldConnection { entry, permit, write_permit, open: false }));
        Ok(())
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let Some(held) = state.held.take().map(|held| *held) else { return };
        if state.broken {
            self.pool.drain_idle();
        } else if self.stale.load(Ordering::Relaxed) {
            // The server rolls back what is open.
            drop(held);
        } else if !held.open {
            self.pool.return_idle(held.entry, Instant::now());
        } else if let Ok(runtime) = Handle::try_current() {
            let pool = Arc::clone(&self.pool);
            runtime.spawn(async move { statement::release(&pool, held, false).await });
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for PooledConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(SqlCommand::Run(Box::new(statement))).await?.done()
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(SqlCommand::Plain(sql.to_owned())).await?.done()
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self.run(SqlCommand::Rows(Box::new(statement))).await? {
            SqlOutcome::Rows(rows) => Ok(rows),
            SqlOutcome::Done(_) => Ok(Vec::new()),
        }
    }
}

impl SqlOutcome {
    /// Returns the number of the next commit of a SQLite database, of which the beginning of a transaction read the last one.
    fn next_commit(&self) -> Option<i32> {
        let Self::Rows(rows) = self else { return None };
        let last: i32 = rows.first()?.try_get("", "user_version").ok()?;
        Some(last.wrapping_add(1))
    }

    fn done(self) -> Result<ExecResult, DbErr> {
        match self {
            Self::Done(result) => Ok(result),
            Self::Rows(_) => {
                Err(DbErr::Custom("the database returned rows for a statement without rows".to_owned()))
            }
        }
    }
}
