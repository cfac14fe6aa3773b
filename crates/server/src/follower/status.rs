//! Status of a follower, for metrics and readiness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Follower;

/// Numbers that a follower counts.
#[derive(Debug, Default)]
pub(super) struct FollowerCounts {
    /// Number of complete and of failed polls.
    pub(super) polls: [AtomicU64; 2],
    /// Number of revisions that the database lost after they were applied here.
    pub(super) lost_revisions: AtomicU64,
    /// Number of revocations and the like that were written again.
    pub(super) reapplied: AtomicU64,
    /// Number of times that the cache was cleared, because it was unknown which changes it lacked.
    pub(super) restarts: AtomicU64,
}

/// Status of a follower.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowerStatus {
    pub(crate) revision: u64,
    /// Time since the start of the last round; `None` before the first.
    pub(crate) lag: Option<Duration>,
    /// Time for which the cache's lease is still valid.
    pub(crate) lease_remaining: Duration,
    /// Number of complete and of failed polls.
    pub(crate) polls: [u64; 2],
    /// Number of replicas that hold a lease, including this one; `None` if the database belongs to this process alone.
    pub(crate) replicas: Option<u64>,
    /// Number of revisions that the database lost after they were applied here.
    pub(crate) lost_revisions: u64,
    /// Number of revocations and the like that were written again.
    pub(crate) reapplied: u64,
}

impl Follower {
    /// Returns the present status.
    pub(crate) fn status(&self) -> FollowerStatus {
        let (now, until) = (self.parts.clock.monotonic(), self.parts.cache.lease_expiry());
        let (round, started) = *self.last_round.borrow();
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        FollowerStatus {
            revision: self.parts.cache.applied_revision(),
            lag: (round > 0).then(|| now.since(started)),
            lease_remaining: until.since(now),
            polls: [0, 1].map(|index| count(&self.counts.polls[index])),
            replicas: self.parts.membership.as_ref().map(|membership| membership.others(now) + 1),
            lost_revisions: count(&self.counts.lost_revisions),
            reapplied: count(&self.counts.reapplied),
        }
    }
}
