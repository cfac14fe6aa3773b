//! Waiting for the other replicas, so that what was revoked here is admitted nowhere.
//!
//! A replica trusts its memory for one lease from the beginning of a poll that read everything. A poll that
//! began before a commit may have missed it; so one lease after the commit no memory anywhere is trusted
//! that doesn't know of it, whatever the network did in between. That needs no list of replicas, no
//! acknowledgements and no clocks that agree, and costs every write one lease on a shared database (5 s by
//! default; a shorter lease waits less and outlives a shorter outage). Replicas that report how far they
//! have read would bring it down to milliseconds; until then, an operator who runs one process says so.

use std::time::Duration;

use latchkey_core::time::{Clock, Tick};
use tokio::time::sleep;

/// Who else decides by the same store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nobody: the database is this process's own, or the operator said so.
    None,
    /// There may be some.
    Possible,
}

impl Others {
    /// Returns when no replica trusts what it knew at `committed`.
    pub(crate) async fn wait(self, clock: &dyn Clock, committed: Tick, lease: Duration) {
        match self {
            Self::None => {}
            Self::Possible => sleep(lease.saturating_sub(clock.now().tick.since(committed))).await,
        }
    }
}
