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
}

impl Pool {
    pub(crate) fn new(source: Source, connections: u32) -> Arc<Self> {
        let places = usize::try_from(connections).unwrap_or(usize::MAX).clamp(2, Semaphore::MAX_PERMITS);
        let writers = if source.takes_turns() { 1 } else { places / 2 };
        let (places, writers) = (Arc::new(Semaphore::new(places)), Arc::new(Semaphore::new(writers)));
        Arc::new(Self { source, idle: Mutex::default(), places, writers })
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
        #[expect(clippy::disallowed_methods, reason = "opening outlives its caller; at most one task a place")]
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
