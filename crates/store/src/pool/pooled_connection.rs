//! A connection that is in use. Dropping it returns it to the pool, but only if no statement is unanswered and
//! no transaction is open. Otherwise it is rolled back first, or closed.

use std::sync::Arc;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::raw_connection::{RawConnection, SqlCommand, SqlOutcome};
use super::{CONNECT_TIMEOUT, Pool, PoolPermit};
use crate::error::breaks_connection;

/// A connection of the pool, on which sea-orm runs its queries.
pub(crate) struct PooledConnection {
    pool: Arc<Pool>,
    backend: DbBackend,
    state: Mutex<ConnectionState>,
}

struct ConnectionState {
    raw: Option<RawConnection>,
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
    pub(super) fn new(pool: Arc<Pool>, raw: RawConnection, permit: PoolPermit, reused: bool) -> Self {
        let backend = raw.backend();
        let (raw, permit) = (Some(raw), Some(permit));
        let state = Mutex::new(ConnectionState {
            raw,
            permit,
            write_permit: None,
            reused,
            pending: false,
            open: false,
        });
        Self { pool, backend, state }
    }

    /// Begins a transaction.
    pub(super) async fn begin(mut self, write_permit: PoolPermit) -> Result<Self, DbErr> {
        let state = self.state.get_mut();
        state.write_permit = Some(write_permit);
        let begin = state.raw.as_ref().map_or("BEGIN", RawConnection::begin);
        self.run(SqlCommand::Plain(begin)).await?;
        self.state.get_mut().open = true;
        Ok(self)
    }

    /// Commits the transaction. After an error, it is unknown whether the transaction was committed.
    pub(crate) async fn commit(mut self) -> Result<(), DbErr> {
        self.run(SqlCommand::Plain("COMMIT")).await?;
        self.state.get_mut().open = false;
        Ok(())
    }

    async fn run(&self, command: SqlCommand<'_>) -> Result<SqlOutcome, DbErr> {
        let mut state = self.state.lock().await;
        state.pending = true;
        let mut outcome = state.run(command).await;
        if state.reused && !state.open && outcome.as_ref().is_err_and(breaks_connection) {
            // The database restarted while the connection was idle, and no statement has been run on it yet.
            self.pool.drain_idle();
            state.replace(&self.pool).await?;
            outcome = state.run(command).await;
        }
        state.reused = false;
        state.pending = outcome.as_ref().is_err_and(breaks_connection);
        outcome.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

impl ConnectionState {
    async fn run(&mut self, command: SqlCommand<'_>) -> Result<SqlOutcome, SqlxError> {
        match &mut self.raw {
            Some(raw) => raw.run(command).await,
            None => Err(SqlxError::PoolClosed),
        }
    }

    async fn replace(&mut self, pool: &Arc<Pool>) -> Result<(), DbErr> {
        self.raw = None;
        let permit = self.permit.take().ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        let (raw, permit) = pool.open(permit).await?;
        (self.raw, self.permit) = (Some(raw), Some(permit));
        Ok(())
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let Some(mut raw) = state.raw.take() else { return };
        if state.pending {
            self.pool.drain_idle();
        } else if !state.open {
            self.pool.return_idle(raw);
        } else if let Ok(runtime) = Handle::try_current() {
            let (pool, permit, write_permit) =
                (Arc::clone(&self.pool), state.permit.take(), state.write_permit.take());
            runtime.spawn(async move {
                if let Ok(Ok(_)) = timeout(CONNECT_TIMEOUT, raw.run(SqlCommand::Plain("ROLLBACK"))).await {
                    pool.return_idle(raw);
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
