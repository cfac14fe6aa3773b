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

use latchkey_core::ports::{Replica, Replicas};
use latchkey_core::time::{Clock, Tick};
use latchkey_core::trouble::Trouble;
use tokio::time::{sleep, timeout};

/// Between two looks at the others: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(25));

/// Who else decides by the same store.
#[derive(Clone)]
pub(crate) enum Others {
    /// Nobody: the database is this process's own, or the operator said so.
    None,
    /// Those that the store knows; this replica among them.
    Known(Arc<dyn Replicas>, Replica),
}

impl Others {
    /// Tells the others how far this replica has come, and that it trusts its memory no longer than `holds`.
    pub(crate) async fn report(&self, revision: u64, holds: Duration) -> Result<(), Trouble> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.report(this, revision, holds).await,
        }
    }

    /// Tells the others how far this replica has come, and nothing else.
    pub(crate) async fn advance(&self, revision: u64) -> Result<(), Trouble> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.advance(this, revision).await,
        }
    }

    /// How many other replicas hold a lease; none, where nobody keeps count. No revision is so high that they could
    /// have applied it.
    pub(crate) async fn count(&self) -> Result<Option<u64>, Trouble> {
        match self {
            Self::None => Ok(None),
            Self::Known(replicas, this) => replicas.behind(this, i64::MAX.unsigned_abs()).await.map(Some),
        }
    }

    /// Tells the others not to wait for this replica any more.
    pub(crate) async fn leave(&self) -> Result<(), Trouble> {
        match self {
            Self::None => Ok(()),
            Self::Known(replicas, this) => replicas.leave(this).await,
        }
    }

    /// Waits until no other replica trusts what it knew before `revision`, until `end` at the latest; answers
    /// whether they have reported it.
    pub(crate) async fn wait(&self, clock: &dyn Clock, revision: u64, end: Tick) -> bool {
        let Self::Known(replicas, this) = self else { return true };
        let (mut pause, longest) = PAUSES;
        loop {
            let left = end.since(clock.now().tick);
            if left.is_zero() {
                return false;
            }
            if let Ok(Ok(0)) = timeout(left, replicas.behind(this, revision)).await {
                return true;
            }
            sleep(pause.min(end.since(clock.now().tick))).await;
            pause = (pause * 2).min(longest);
        }
    }
}
