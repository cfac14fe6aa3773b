//! Status of a follower, for metrics and readiness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use latchkey_core::time::MonotonicInstant;

use super::Follower;

/// Interval at which the same problem is logged again.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

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
    /// The loss whose audit event was written last: the newest revision that was common, and the newest one that was known.
    recorded_loss: Mutex<Option<(u64, u64)>>,
    /// Damage to the feed that the last poll found.
    damage: Mutex<Option<String>>,
    /// Times at which polls that failed and look-ups of older states were logged.
    pub(super) logged: [LogTime; 2],
}

/// Time at which a problem was logged last.
#[derive(Debug, Default)]
pub(super) struct LogTime(Mutex<Option<MonotonicInstant>>);

impl LogTime {
    /// Returns whether the problem is to be logged now, and takes it for logged then.
    pub(super) fn is_due(&self, now: MonotonicInstant) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = logged.is_none_or(|at| now.since(at) >= LOG_INTERVAL);
        if due {
            *logged = Some(now);
        }
        due
    }
}

impl FollowerCounts {
    /// Returns whether the audit event of a loss was written.
    pub(super) fn is_recorded(&self, common: u64, known: u64) -> bool {
        *self.recorded_loss.lock().unwrap_or_else(PoisonError::into_inner) == Some((common, known))
    }

    /// Takes the audit event of a loss for written.
    pub(super) fn set_recorded(&self, common: u64, known: u64) {
        *self.recorded_loss.lock().unwrap_or_else(PoisonError::into_inner) = Some((common, known));
    }

    /// Returns the damage to the feed that the last poll found.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the damage to the feed that the last poll found.
    pub(super) fn set_damage(&self, damage: Option<String>) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
    }
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
