//! Connections, few and bounded, that never hold up a caller for longer than the caller cares to wait.
//!
//! A pool of our own, and not sqlx's, for what that one does when a database hangs: it tests a connection
//! without a deadline when it comes back, so that each caller who gave up costs a place until TCP notices;
//! and it drops a connection that is being opened together with the caller who ran out of time, so that a
//! short deadline may never see one opened. Here a connection that was left in the middle of a statement is
//! closed, and opening goes on without its caller.

mod lease;
mod link;
mod source;

pub(crate) use lease::Lease;
pub use source::BadUrl;
pub(crate) use source::Source;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use link::Link;

/// How long opening or closing a connection may take. Long enough for TLS and a password over a slow
/// line; short, since this is how long a place is lost to a database that doesn't answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connections of one process to one database.
pub(crate) struct Pool {
    source: Source,
    idle: Mutex<Vec<Link>>,
    places: Arc<Semaphore>,
    /// Writes, which wait for each other in the database anyway, never take every place from the reads.
    /// On SQLite there is one at a time, so that none meets a lock that another holds.
    writers: Arc<Semaphore>,
    most: usize,
}

/// Connections to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Open, and waiting for something to do.
    pub idle: usize,
    /// In somebody's hands, or about to be opened.
    pub used: usize,
    /// How many there may be.
    pub most: usize,
}

impl Pool {
    pub(crate) fn new(source: Source, connections: u32) -> Arc<Self> {
        let places = usize::try_from(connections).unwrap_or(usize::MAX).clamp(2, Semaphore::MAX_PERMITS);
        let writers = if source.takes_turns() { 1 } else { places / 2 };
        let (most, places) = (places, Arc::new(Semaphore::new(places)));
        Arc::new(Self {
            source,
            idle: Mutex::default(),
            places,
            writers: Arc::new(Semaphore::new(writers)),
            most,
        })
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> Connections {
        let used = self.most.saturating_sub(self.places.available_permits());
        Connections { idle: self.idle().len(), used, most: self.most }
    }

    /// A connection for one question.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease, DbErr> {
        let place = wait_for(&self.places).await?;
        let idle = self.idle().pop();
        let reused = idle.is_some();
        let (link, place) = match idle {
            Some(link) => (link, place),
            None => self.open(place).await?,
        };
        Ok(Lease::new(Arc::clone(self), link, place, reused))
    }

    /// A connection with a transaction open on it, for one write.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Lease, DbErr> {
        let turn = wait_for(&self.writers).await?;
        self.lease().await?.begin(turn).await
    }

    /// Closes what is idle, lets nobody in any more.
    pub(crate) async fn close(&self) {
        self.places.close();
        self.writers.close();
        let idle = std::mem::take(&mut *self.idle());
        for link in idle {
            // A database that doesn't answer need not be told goodbye.
            let _ = timeout(PATIENCE, link.close()).await;
        }
    }

    /// Opens a connection, in a task of its own: if the caller gives up, it is there for the next one.
    async fn open(self: &Arc<Self>, place: Place) -> Result<(Link, Place), DbErr> {
        let (hand, taken) = oneshot::channel();
        let pool = Arc::clone(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "opening outlives its caller; at most one task a place"
        )]
        tokio::spawn(async move {
            let opened = timeout(PATIENCE, pool.source.open()).await.unwrap_or(Err(SqlxError::PoolTimedOut));
            match opened {
                Ok(link) => {
                    if let Err(Ok((link, _place))) = hand.send(Ok((link, place))) {
                        pool.put_back(link);
                    }
                }
                // Whoever waited hears of it; nobody else needs to.
                Err(error) => drop(hand.send(Err(DbErr::Conn(RuntimeErr::SqlxError(error.into()))))),
            }
        });
        taken.await.unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)))
    }

    fn put_back(&self, link: Link) {
        if !self.places.is_closed() {
            self.idle().push(link);
        }
    }

    /// A connection broke or went silent: whatever idles beside it was opened to the same database, before.
    fn doubt(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to hold one connection.
type Place = OwnedSemaphorePermit;

async fn wait_for(places: &Arc<Semaphore>) -> Result<Place, DbErr> {
    let place = Arc::clone(places).acquire_owned().await;
    place.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
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
        let source = Source::parse(&url, Duration::from_secs(30)).unwrap();
        (folder, Pool::new(source, 4))
    }

    /// Begins something, and gives it up at once. It takes too long to be done by then.
    async fn give_up(work: impl Future) {
        let mut work = pin!(work);
        let begun = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending()));
        assert!(begun.await);
    }

    /// Waits for what a task in the background is about to do.
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
        give_up(pool.lease()).await;
        until(|| pool.idle().len() == 1 && pool.places.available_permits() == 4).await;
        assert!(pool.lease().await.unwrap().execute_unprepared("SELECT 1").await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_left_in_the_middle_of_a_statement_is_closed() {
        let (_folder, pool) = pool();
        let (first, second) = (pool.lease().await.unwrap(), pool.lease().await.unwrap());
        first.execute_unprepared("SELECT 1").await.unwrap();
        drop(first);
        assert_eq!(pool.idle().len(), 1);
        let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n";
        give_up(second.execute_unprepared(long)).await;
        drop(second);
        // Nor is its sibling trusted any more.
        assert_eq!((pool.idle().len(), pool.places.available_permits()), (0, 4));
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_is_rolled_back_before_the_connection_comes_back() {
        let (_folder, pool) = pool();
        pool.lease().await.unwrap().execute_unprepared("CREATE TABLE t (n)").await.unwrap();
        let write = pool.begin().await.unwrap();
        write.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
        assert_eq!(pool.writers.available_permits(), 0);
        drop(write);
        until(|| pool.writers.available_permits() == 1).await;
        let left = pool.lease().await.unwrap().execute_unprepared("DELETE FROM t").await.unwrap();
        assert_eq!(left.rows_affected(), 0);
    }

    #[tokio::test]
    async fn a_closed_pool_lends_nothing() {
        let (_folder, pool) = pool();
        let out = pool.lease().await.unwrap();
        pool.close().await;
        assert!(pool.lease().await.is_err() && pool.begin().await.is_err());
        drop(out);
        assert_eq!(pool.idle().len(), 0);
    }
}
