//! Opening of connections: in tasks of their own, which continue without their callers. If the server has no
//! more connections to give, callers wait for one of those that are open.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::failures::FailedStep;
use super::pool_entry::PoolEntry;
use super::{DatabaseFailure, END_TIMEOUT, OpenError, Pool, PoolPermit};

/// Time for which the pool has fewer connections after the server refused one.
const WITHHELD_FOR: Duration = Duration::from_secs(5);

/// Connections that are being opened, and permits that are withheld.
#[derive(Default)]
pub(super) struct Openings {
    /// Number of connections that are being opened.
    opening: usize,
    withheld: Vec<WithheldPermits>,
}

/// Permits that are withheld, since the server refused the connection that they stand for: that of the connection,
/// and for every second one that of a write.
struct WithheldPermits {
    _permit: PoolPermit,
    writer: Option<PoolPermit>,
    until: Instant,
}

/// Result of opening a connection.
pub(super) enum OpenOutcome {
    Connection(PoolEntry, PoolPermit),
    /// The server has no more to give, and one that is open will become free.
    WaitForAnother,
}

impl Pool {
    /// Opens a connection in a task of its own. If the caller gives up, the connection becomes available to the
    /// next caller.
    pub(super) async fn open(self: &Arc<Self>, permit: PoolPermit) -> Result<OpenOutcome, DbErr> {
        let (sender, receiver) = oneshot::channel();
        let pool = Arc::clone(self);
        self.openings().opening += 1;
        #[expect(
            clippy::disallowed_methods,
            reason = "opening outlives its caller; at most one task a permit"
        )]
        tokio::spawn(async move {
            let opened = pool.open_entry().await;
            let result = match opened {
                Ok(entry) => {
                    pool.failures.opened();
                    pool.openings().opening -= 1;
                    Ok(OpenOutcome::Connection(entry, permit))
                }
                Err(error) => {
                    let failure = DatabaseFailure::from(&error);
                    pool.failures.record(FailedStep::Open, failure, Instant::now());
                    pool.refused(permit, error)
                }
            };
            // A caller that has given up needs no error.
            if let Err(Ok(OpenOutcome::Connection(entry, _permit))) = sender.send(result) {
                pool.return_idle(entry, Instant::now());
            }
        });
        receiver.await.unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)))
    }

    /// Opens three connections for later callers besides the first one, as far as permits are free. Returns when all are
    /// open or have failed.
    pub(crate) async fn warm_up(self: &Arc<Self>) {
        let open = async || {
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return };
            if let Ok(OpenOutcome::Connection(entry, _permit)) = self.open(permit).await {
                self.return_idle(entry, Instant::now());
            }
        };
        tokio::join!(open(), open(), open());
    }

    /// Closes the idle connections in good order, so that the server and a pooler can give them to others.
    pub(crate) async fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for entry in idle {
            // The server ends a session whose connection was closed otherwise as well.
            let _ = timeout(END_TIMEOUT, entry.close()).await;
        }
    }

    /// Releases the permits that were withheld long enough, one after the other, so that few connections at once
    /// are tried again.
    pub(super) fn restore_withheld(&self, now: Instant) {
        let mut openings = self.openings();
        if openings.withheld.first().is_some_and(|first| first.until <= now) {
            drop(openings.withheld.remove(0));
        }
    }

    /// Opens a connection of the current generation. The file is checked afterwards as well, since it could have
    /// been replaced meanwhile.
    async fn open_entry(&self) -> Result<PoolEntry, OpenError> {
        let generation = self.generation.load(Ordering::SeqCst);
        self.check_file()?;
        self.keep_log().await?;
        let raw = self.target.open().await?;
        self.check_file()?;
        Ok(PoolEntry::new(raw, generation, Arc::clone(&self.open), Instant::now()))
    }

    /// Decides about a connection that could not be opened: if the server is full and others are open, their number is
    /// the pool's limit for a while.
    fn refused(&self, permit: PoolPermit, error: OpenError) -> Result<OpenOutcome, DbErr> {
        let mut openings = self.openings();
        openings.opening -= 1;
        if !error.is_full() || openings.opening + self.open.load(Ordering::SeqCst) == 0 {
            openings.withheld.clear();
            drop(openings);
            drop(permit);
            return Err(error.into());
        }
        let writers = openings.withheld.iter().filter(|withheld| withheld.writer.is_some()).count();
        let total = if self.target.has_single_writer() { 1 } else { self.limit / 2 };
        let wanted = (self.limit.saturating_sub(openings.withheld.len() + 1) / 2).max(1);
        let writer = (total.saturating_sub(writers) > wanted)
            .then(|| Arc::clone(&self.writers).try_acquire_owned().ok())
            .flatten();
        let until = Instant::now() + WITHHELD_FOR;
        openings.withheld.push(WithheldPermits { _permit: permit, writer, until });
        Ok(OpenOutcome::WaitForAnother)
    }

    fn openings(&self) -> MutexGuard<'_, Openings> {
        self.openings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
