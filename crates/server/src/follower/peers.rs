//! Waiting for other replicas, so that a key that is revoked here is admitted on no replica.
//!
//! A replica writes its heartbeat to the database before it trusts its cache, and for a longer time than it will; it
//! also writes which revision it has applied. A write is complete when no replica with a valid heartbeat is behind
//! it, which takes milliseconds if all replicas work. A replica that does not report (partitioned, stopped, crashed)
//! is waited for until one lease after the commit: a poll that began before the commit extends the lease no further
//! than that, and a poll that began later has read the change, whatever the network did in between. The clocks need
//! not agree.
//!
//! The order matters: a replica that writes its heartbeat after a writer has counted also reads the feed after the
//! commit, since it reads only after its heartbeat.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::{Replica, Replicas};
use latchkey_core::time::{Clock, MonotonicInstant};
use tokio::time::{sleep, timeout};

/// Delays between two counts of lagging replicas: the first and the longest.
const POLL_DELAYS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(25));

/// Other replicas that use the same database.
#[derive(Clone)]
pub(crate) enum Peers {
    /// No other replicas: the database belongs to this process, or the operator has set `single_replica`.
    None,
    /// Replicas that the database knows, this one included.
    Known(Arc<dyn Replicas>, Replica),
}

impl Peers {
    /// Writes the heartbeat: the applied revision, and the time for which this replica can trust its cache.
    pub(crate) async fn heartbeat(&self, revision: u64, valid_for: Duration) -> Result<(), SystemError> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.heartbeat(this, revision, valid_for).await,
        }
    }

    /// Writes the applied revision alone.
    pub(crate) async fn set_applied(&self, revision: u64) -> Result<(), SystemError> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.set_applied(this, revision).await,
        }
    }

    /// Counts the other replicas that hold a lease; `None` if there is no list of replicas. Counts as lagging behind
    /// a revision that no replica can have applied.
    pub(crate) async fn count(&self) -> Result<Option<u64>, SystemError> {
        match self {
            Self::None => Ok(None),
            Self::Known(replicas, this) => {
                replicas.count_lagging(this, i64::MAX.unsigned_abs()).await.map(Some)
            }
        }
    }

    /// Deletes the heartbeat, so that writers no longer wait for this replica.
    pub(crate) async fn deregister(&self) -> Result<(), SystemError> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.deregister(this).await,
        }
    }

    /// Waits until no other replica trusts a state before `revision`, until `end` at the latest; returns true if all
    /// of them have reported it.
    pub(crate) async fn wait_until_applied(
        &self,
        clock: &dyn Clock,
        revision: u64,
        end: MonotonicInstant,
    ) -> bool {
        let Self::Known(replicas, this) = self else { return true };
        let (mut pause, longest) = POLL_DELAYS;
        loop {
            let remaining = end.since(clock.now().monotonic);
            if remaining.is_zero() {
                return false;
            }
            if let Ok(Ok(0)) = timeout(remaining, replicas.count_lagging(this, revision)).await {
                return true;
            }
            sleep(pause.min(end.since(clock.now().monotonic))).await;
            pause = (pause * 2).min(longest);
        }
    }
}
