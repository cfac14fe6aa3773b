//! A small, bounded connection pool. A caller never waits longer than its deadline.
//!
//! It replaces sqlx's pool because of what that one does while a database hangs. sqlx tests a returned
//! connection without a deadline, so that each caller that gave up costs a permit until TCP notices. It also
//! drops a connection that is being opened when its caller times out, so that with a short deadline no
//! connection may ever be opened. This pool closes a connection that was left in the middle of a statement, and
//! finishes opening a connection without its caller.

mod pooled_connection;
mod raw_connection;
mod target;

pub(crate) use pooled_connection::PooledConnection;
pub(crate) use target::DatabaseTarget;
pub use target::InvalidUrl;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use raw_connection::RawConnection;

/// Time limit for opening or closing a connection. It suffices for TLS and a password over a slow line; it is
/// short because a permit is lost for this time to a database that does not respond.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of one process to one database.
pub(crate) struct Pool {
    target: DatabaseTarget,
    idle: Mutex<Vec<RawConnection>>,
    permits: Arc<Semaphore>,
    /// Limits writes, which wait for each other in the database anyway, so that they never take every permit
    /// from reads. SQLite has a single write permit, so that no write meets another's lock.
    writers: Arc<Semaphore>,
    limit: usize,
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
            permits,
            writers: Arc::new(Semaphore::new(writers)),
            limit,
        })
    }

    /// Returns the numbers of idle, used and possible connections.
    pub(crate) fn connections(&self) -> Connections {
        let used = self.limit.saturating_sub(self.permits.available_permits());
        Connections { idle: self.idle().len(), used, limit: self.limit }
    }

    /// Returns a connection for one query.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<PooledConnection, DbErr> {
        let permit = acquire_permit(&self.permits).await?;
        let idle = self.idle().pop();
        let reused = idle.is_some();
        let (raw, permit) = match idle {
            Some(raw) => (raw, permit),
            None => self.open(permit).await?,
        };
        Ok(PooledConnection::new(Arc::clone(self), raw, permit, reused))
    }

    /// Returns a connection with an open transaction, for one write.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<PooledConnection, DbErr> {
        let write_permit = acquire_permit(&self.writers).await?;
        self.acquire().await?.begin(write_permit).await
    }

    /// Closes idle connections and refuses new ones.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.writers.close();
        let idle = std::mem::take(&mut *self.idle());
        for raw in idle {
            // A database that does not respond needs no orderly goodbye.
            let _ = timeout(CONNECT_TIMEOUT, raw.close()).await;
        }
    }

    /// Opens a connection in a task of its own. If the caller gives up, the connection becomes available to the
    /// next caller.
    async fn open(self: &Arc<Self>, permit: PoolPermit) -> Result<(RawConnection, PoolPermit), DbErr> {
        let (sender, receiver) = oneshot::channel();
        let pool = Arc::clone(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "opening outlives its caller; at most one task a permit"
        )]
        tokio::spawn(async move {
            let opened =
                timeout(CONNECT_TIMEOUT, pool.target.open()).await.unwrap_or(Err(SqlxError::PoolTimedOut));
            match opened {
                Ok(raw) => {
                    if let Err(Ok((raw, _permit))) = sender.send(Ok((raw, permit))) {
                        pool.return_idle(raw);
                    }
                }
                // Only the waiting caller needs the error; if it has given up, the error is dropped.
                Err(error) => drop(sender.send(Err(DbErr::Conn(RuntimeErr::SqlxError(error.into()))))),
            }
        });
        receiver.await.unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)))
    }

    fn return_idle(&self, raw: RawConnection) {
        if !self.permits.is_closed() {
            self.idle().push(raw);
        }
    }

    /// Closes all idle connections. Called after a connection broke or went silent, since idle connections were
    /// opened to the same database earlier and may be broken as well.
    fn drain_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<RawConnection>> {
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
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use sea_orm::ConnectionTrait;
    use tokio::task::yield_now;

    use super::*;

    fn pool() -> (tempfile::TempDir, Arc<Pool>) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("keys.db").display());
        let target = DatabaseTarget::parse(&url, Duration::from_secs(30)).unwrap();
        (folder, Pool::new(target, 4))
    }

    /// Starts a future and drops it at once, before it can finish.
    async fn give_up(work: impl Future) {
        let mut work = pin!(work);
        let begun = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending()));
        assert!(begun.await);
    }

    /// Waits until a background task has reached a state.
    async fn until(done: impl Fn() -> bool) {
        let wait = async {
            while !done() {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), wait).await.unwrap();
    }

    #[tokio::test]
    async fn opening_goes_on_when_its_caller_gives_up() {
        let (_folder, pool) = pool();
        give_up(pool.acquire()).await;
        until(|| pool.idle().len() == 1 && pool.permits.available_permits() == 4).await;
        assert!(pool.acquire().await.unwrap().execute_unprepared("SELECT 1").await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_left_in_the_middle_of_a_statement_is_closed() {
        let (_folder, pool) = pool();
        let (first, second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        first.execute_unprepared("SELECT 1").await.unwrap();
        drop(first);
        assert_eq!(pool.idle().len(), 1);
        let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n";
        give_up(second.execute_unprepared(long)).await;
        drop(second);
        // Its sibling must have been closed as well.
        assert_eq!((pool.idle().len(), pool.permits.available_permits()), (0, 4));
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_is_rolled_back_before_the_connection_comes_back() {
        let (_folder, pool) = pool();
        pool.acquire().await.unwrap().execute_unprepared("CREATE TABLE t (n)").await.unwrap();
        let write = pool.begin().await.unwrap();
        write.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
        assert_eq!(pool.writers.available_permits(), 0);
        drop(write);
        until(|| pool.writers.available_permits() == 1).await;
        let left = pool.acquire().await.unwrap().execute_unprepared("DELETE FROM t").await.unwrap();
        assert_eq!(left.rows_affected(), 0);
    }

    #[tokio::test]
    async fn a_closed_pool_lends_nothing() {
        let (_folder, pool) = pool();
        let out = pool.acquire().await.unwrap();
        pool.close().await;
        assert!(pool.acquire().await.is_err() && pool.begin().await.is_err());
        drop(out);
        assert_eq!(pool.idle().len(), 0);
    }
}
