//! Waiting for the other replicas, so that what was revoked here is admitted nowhere.
//!
//! A replica enters itself in the database before it trusts its memory, for longer than it will; and it reports
//! how far it has come. So a write is over when nobody who holds is behind it: milliseconds, where all are
//! well. One that doesn't report (cut off, stopped, dead) is waited for one lease from the commit: a poll that
//! began before the commit is trusted no longer than that, and one that began later has seen it, whatever the
//! network did in between. No clocks need agree.
//!
//! Why entering comes first: a replica that entered after a writer had looked would read the feed after the
//! commit as well, since it reads only once it has entered.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::{Replica, Replicas};
use latchkey_core::time::{Clock, MonotonicInstant};
use tokio::time::{sleep, timeout};

/// Between two looks at the others: the first, and the longest.
const POLL_DELAYS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(25));

/// Who else decides by the same store.
#[derive(Clone)]
pub(crate) enum Peers {
    /// Nobody: the database is this process's own, or the operator said so.
    None,
    /// Those that the store knows; this replica among them.
    Known(Arc<dyn Replicas>, Replica),
}

impl Peers {
    /// Tells the others how far this replica has come, and that it trusts its memory no longer than `holds`.
    pub(crate) async fn heartbeat(&self, revision: u64, valid_for: Duration) -> Result<(), SystemError> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.heartbeat(this, revision, valid_for).await,
        }
    }

    /// Tells the others how far this replica has come, and nothing else.
    pub(crate) async fn set_applied(&self, revision: u64) -> Result<(), SystemError> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.set_applied(this, revision).await,
        }
    }

    /// How many other replicas hold a lease; none, where nobody keeps count. No revision is so high that they could
    /// have applied it.
    pub(crate) async fn count(&self) -> Result<Option<u64>, SystemError> {
        match self {
            Self::None => Ok(None),
            Self::Known(replicas, this) => {
                replicas.count_lagging(this, i64::MAX.unsigned_abs()).await.map(Some)
            }
        }
    }

    /// Tells the others not to wait for this replica any more.
    pub(crate) async fn deregister(&self) -> Result<(), SystemError> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.deregister(this).await,
        }
    }

    /// Waits until no other replica trusts what it knew before `revision`, until `end` at the latest; answers
    /// whether they have reported it.
    pub(crate) async fn wait_until_applied(
        &self,
        clock: &dyn Clock,
        revision: u64,
        end: MonotonicInstant,
    ) -> bool {
        let Self::Known(replicas, this) = self else { return true };
        let (mut pause, longest) = POLL_DELAYS;
        loop {
            let left = end.since(clock.now().monotonic);
            if left.is_zero() {
                return false;
            }
            if let Ok(Ok(0)) = timeout(left, replicas.count_lagging(this, revision)).await {
                return true;
            }
            sleep(pause.min(end.since(clock.now().monotonic))).await;
            pause = (pause * 2).min(longest);
        }
    }
}
