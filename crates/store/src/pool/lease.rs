//! A connection in somebody's hands. It goes back by being dropped, in the only state that the next one can
//! use it in: with nothing unanswered and no transaction open. Otherwise it is rolled back first, or closed.

use std::sync::Arc;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::link::{Answer, Ask, Link};
use super::{PATIENCE, Place, Pool};
use crate::stop::breaks;

/// A connection of the pool; what sea-orm's queries run on.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    backend: DbBackend,
    held: Mutex<Held>,
}

struct Held {
    link: Option<Link>,
    place: Option<Place>,
    /// The turn to write.
    turn: Option<Place>,
    /// Whether it was idle until now: the database may have gone meanwhile.
    reused: bool,
    /// Whether something was said and not answered.
    pending: bool,
    /// Whether a transaction is open.
    open: bool,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, link: Link, place: Place, reused: bool) -> Self {
        let backend = link.backend();
        let (link, place) = (Some(link), Some(place));
        let held = Mutex::new(Held { link, place, turn: None, reused, pending: false, open: false });
        Self { pool, backend, held }
    }

    /// Opens a transaction.
    pub(super) async fn begin(mut self, turn: Place) -> Result<Self, DbErr> {
        let held = self.held.get_mut();
        held.turn = Some(turn);
        let begin = held.link.as_ref().map_or("BEGIN", Link::begin);
        self.ask(Ask::Plain(begin)).await?;
        self.held.get_mut().open = true;
        Ok(self)
    }

    /// Ends the transaction for good. After an error nobody knows whether it did.
    pub(crate) async fn commit(mut self) -> Result<(), DbErr> {
        self.ask(Ask::Plain("COMMIT")).await?;
        self.held.get_mut().open = false;
        Ok(())
    }

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, DbErr> {
        let mut held = self.held.lock().await;
        held.pending = true;
        let mut answer = held.ask(ask).await;
        if held.reused && !held.open && answer.as_ref().is_err_and(breaks) {
            // The database was restarted while the connection idled, and nothing was done over it yet.
            self.pool.doubt();
            held.replace(&self.pool).await?;
            answer = held.ask(ask).await;
        }
        held.reused = false;
        held.pending = answer.as_ref().is_err_and(breaks);
        answer.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

impl Held {
    async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, SqlxError> {
        match &mut self.link {
            Some(link) => link.ask(ask).await,
            None => Err(SqlxError::PoolClosed),
        }
    }

    async fn replace(&mut self, pool: &Arc<Pool>) -> Result<(), DbErr> {
        self.link = None;
        let place = self.place.take().ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        let (link, place) = pool.open(place).await?;
        (self.link, self.place) = (Some(link), Some(place));
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let held = self.held.get_mut();
        let Some(mut link) = held.link.take() else { return };
        if held.pending {
            self.pool.doubt();
        } else if !held.open {
            self.pool.put_back(link);
        } else if let Ok(runtime) = Handle::try_current() {
            let (pool, place, turn) = (Arc::clone(&self.pool), held.place.take(), held.turn.take());
            runtime.spawn(async move {
                if let Ok(Ok(_)) = timeout(PATIENCE, link.ask(Ask::Plain("ROLLBACK"))).await {
                    pool.put_back(link);
                }
                drop((place, turn));
            });
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Lease {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.ask(Ask::Run(&statement)).await?.done()
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.ask(Ask::Plain(sql)).await?.done()
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self.ask(Ask::Rows(&statement)).await? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Done(_) => Ok(Vec::new()),
        }
    }
}

impl Answer {
    fn done(self) -> Result<ExecResult, DbErr> {
        match self {
            Self::Done(result) => Ok(result),
            Self::Rows(_) => Err(DbErr::Custom("rows came back where none were asked for".to_owned())),
        }
    }
}
