//! A connection that is in use. Dropping it returns it to the pool, but only if no statement is unanswered and
//! no transaction is open. Otherwise it is rolled back first, or closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::pool_entry::PoolEntry;
use super::raw_connection::{SqlCommand, SqlOutcome};
use super::{CONNECT_TIMEOUT, Pool, PoolPermit};
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
    entry: Option<PoolEntry>,
    permit: Option<PoolPermit>,
    /// Permission to write.
    write_permit: Option<PoolPermit>,
    /// True until the first statement if the connection was idle: the database may have restarted meanwhile.
    reused: bool,
    /// True while a statement has been sent and not answered.
    pending: bool,
    /// True while a transaction is open.
    open: bool,
}

impl PooledConnection {
    pub(super) fn new(pool: Arc<Pool>, entry: PoolEntry, permit: PoolPermit, reused: bool) -> Self {
        let backend = entry.raw.backend();
        let (entry, permit) = (Some(entry), Some(permit));
        let state = Mutex::new(ConnectionState {
            entry,
            permit,
            write_permit: None,
            reused,
            pending: false,
            open: false,
        });
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

    /// Begins a transaction.
    pub(super) async fn begin(mut self, write_permit: PoolPermit) -> Result<Self, DbErr> {
        let state = self.state.get_mut();
        state.write_permit = Some(write_permit);
        self.run(SqlCommand::Begin).await?;
        self.state.get_mut().open = true;
        Ok(self)
    }

    /// Commits the transaction. After an error, it is unknown whether the transaction was committed. A commit
    /// into a SQLite file that has been replaced is an error, since that file will not be read again.
    pub(crate) async fn commit(mut self) -> Result<(), DbErr> {
        self.pool.check_file()?;
        self.run(SqlCommand::Commit).await?;
        self.state.get_mut().open = false;
        Ok(self.pool.check_file()?)
    }

    async fn run(&self, command: SqlCommand<'_>) -> Result<SqlOutcome, DbErr> {
        let mut state = self.state.lock().await;
        state.pending = true;
        let mut outcome = state.run(command).await;
        if outcome.as_ref().is_err_and(shows_standby) {
            self.mark_stale();
        }
        if let Err(error) = &outcome {
            self.pool.record_statement(error);
        }
        if state.reused && !state.open && outcome.as_ref().is_err_and(breaks_connection) {
            // The database restarted, or became a standby, while the connection was idle, and no statement has
            // been run on it yet.
            self.pool.drain_idle();
            state.replace(&self.pool).await?;
            self.stale.store(false, Ordering::Relaxed);
            outcome = state.run(command).await;
            if let Err(error) = &outcome {
                self.pool.record_statement(error);
            }
        }
        state.reused = false;
        state.pending = outcome.as_ref().is_err_and(breaks_connection);
        outcome.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

impl ConnectionState {
    async fn run(&mut self, command: SqlCommand<'_>) -> Result<SqlOutcome, SqlxError> {
        match &mut self.entry {
            Some(entry) => entry.raw.run(command).await,
            None => Err(SqlxError::PoolClosed),
        }
    }

    async fn replace(&mut self, pool: &Arc<Pool>) -> Result<(), DbErr> {
        self.entry = None;
        let permit = self.permit.take().ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        let (entry, permit) = pool.open(permit).await?;
        (self.entry, self.permit) = (Some(entry), Some(permit));
        Ok(())
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let Some(mut entry) = state.entry.take() else { return };
        if state.pending {
            self.pool.drain_idle();
        } else if self.stale.load(Ordering::Relaxed) {
            // The server rolls back what is open.
            drop(entry);
        } else if !state.open {
            self.pool.return_idle(entry, Instant::now());
        } else if let Ok(runtime) = Handle::try_current() {
            let (pool, permit, write_permit) =
                (Arc::clone(&self.pool), state.permit.take(), state.write_permit.take());
            runtime.spawn(async move {
                if let Ok(Ok(_)) = timeout(CONNECT_TIMEOUT, entry.raw.run(SqlCommand::Rollback)).await {
                    pool.return_idle(entry, Instant::now());
                }
                drop((permit, write_permit));
            });
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for PooledConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(SqlCommand::Run(&statement)).await?.done()
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(SqlCommand::Plain(sql)).await?.done()
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self.run(SqlCommand::Rows(&statement)).await? {
            SqlOutcome::Rows(rows) => Ok(rows),
            SqlOutcome::Done(_) => Ok(Vec::new()),
        }
    }
}

impl SqlOutcome {
    fn done(self) -> Result<ExecResult, DbErr> {
        match self {
            Self::Done(result) => Ok(result),
            Self::Rows(_) => {
                Err(DbErr::Custom("the database returned rows for a statement without rows".to_owned()))
            }
        }
    }
}
