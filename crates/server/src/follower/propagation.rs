//! Wait for other replicas, so that no replica admits what was revoked here.
//!
//! A write is complete when no replica trusts a state from before it. A replica reports in its row what it has applied,
//! which takes milliseconds if all replicas work. A replica that does not report (partitioned, stopped, crashed) is
//! waited for until its own lease has ended, by the clock of this process.
//!
//! The wait needs one complete round of this replica that began after the commit. It proves that the database that has
//! the change accepts writes and shares this replica's history, and it has read the rows of all replicas: a replica whose
//! row is not among them registers later, and reads the change before it trusts anything.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::ports::{Announcement, HistoryHash};
use latchkey_core::time::MonotonicInstant;
use latchkey_management::ports::Propagation;
use tokio::time::{sleep, timeout};

use super::Follower;
use super::holders::{LONGEST_LEASE, with_margin};

/// Delays between two reads of the replicas' rows, after this replica's round: the first and the longest.
const POLL_DELAYS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(25));

/// Dependency in the error of a caller that gives up before the change is applied everywhere.
const PROPAGATION_PENDING: &str = "the change is committed and not yet applied everywhere: a replica";

/// Dependency in the error of a caller whose change may be among the commits that the database lost meanwhile.
const COMMITS_LOST: &str = "the database lost commits, and the change may be among them; repeat the call: it";

/// Time after which a caller may retry for whom the replicas could not be read.
const RETRY_UNKNOWN: Duration = Duration::from_secs(1);

/// A write that waits until it is applied everywhere.
struct PendingWrite {
    revision: u64,
    /// History of the database at that revision.
    history: Option<HistoryHash>,
    /// Start of the wait, which is after the commit.
    began: MonotonicInstant,
    /// Number of rounds that had begun by then.
    rounds: u64,
    /// Number of restarts by then.
    restarts: u64,
}

#[async_trait]
impl Propagation for Follower {
    /// Waits for this replica and for the others. A caller whose deadline comes first gets an error that says that the
    /// change is committed and not yet applied everywhere.
    async fn wait_until_applied(
        &self,
        revision: u64,
        history: Option<HistoryHash>,
        deadline: Option<MonotonicInstant>,
    ) -> Result<(), SystemError> {
        let clock = &*self.parts.clock;
        let rounds = self.rounds_begun.load(Ordering::SeqCst);
        let restarts = self.counts.restarts.load(Ordering::SeqCst);
        let wait = PendingWrite { revision, history, began: clock.monotonic(), rounds, restarts };
        let last = wait.began.plus(with_margin(LONGEST_LEASE));
        let end = deadline.map_or(last, |deadline| last.min(deadline));
        let mut last_round = self.last_round.subscribe();
        self.request_round();
        self.notify_peers();
        let (mut pause, longest) = POLL_DELAYS;
        loop {
            let now = clock.monotonic();
            if self.has_lost(&wait) {
                return Err(SystemError::no_answer(COMMITS_LOST, RETRY_UNKNOWN));
            }
            let Some(until) = self.pending(&wait, now) else { return Ok(()) };
            let round_done = self.has_round_since(&wait);
            if now >= end {
                let retry_after = if round_done { until.since(now) } else { RETRY_UNKNOWN };
                return Err(SystemError::no_answer(PROPAGATION_PENDING, retry_after));
            }
            let bounded = |pause: Duration| {
                pause.min(until.since(now)).min(end.since(now)).max(Duration::from_millis(1))
            };
            if round_done {
                sleep(bounded(pause)).await;
                self.read_rows(&wait, end.since(now)).await;
                pause = (pause * 2).min(longest);
            } else {
                drop(timeout(bounded(longest), last_round.changed()).await);
            }
        }
    }
}

impl Follower {
    /// Reads the rows of replicas again, if there are any.
    async fn read_rows(&self, wait: &PendingWrite, remaining: Duration) {
        if let Some(membership) = &self.parts.membership {
            // Without an answer, the rows are those of the previous read, which shows less progress.
            drop(timeout(remaining, membership.read_rows(wait.revision, &*self.parts.clock)).await);
        }
    }

    /// Returns whether a round is complete that began after the commit.
    fn has_round_since(&self, wait: &PendingWrite) -> bool {
        self.last_round.borrow().0 > wait.rounds
    }

    /// Returns whether the database has lost the change meanwhile, or may have: a round that began after the commit did
    /// not find it, or found another one in its place, or this replica has passed over it.
    fn has_lost(&self, wait: &PendingWrite) -> bool {
        if self.counts.restarts.load(Ordering::SeqCst) != wait.restarts {
            return true;
        }
        let ours = self.parts.cache.applied_changes().history(wait.revision);
        let other = ours.zip(wait.history).is_some_and(|(ours, written)| ours != written);
        self.has_round_since(wait) && (other || self.applied_revision() < wait.revision)
    }

    /// Returns until when the wait goes on at most, as far as this replica knows; `None` if it is over.
    fn pending(&self, wait: &PendingWrite, now: MonotonicInstant) -> Option<MonotonicInstant> {
        if !self.has_round_since(wait) {
            // It is unknown whom to wait for.
            return Some(wait.began.plus(with_margin(LONGEST_LEASE)));
        }
        let (changes, own) = (self.parts.cache.applied_changes(), self.applied_revision());
        let ahead = Cell::new(false);
        let applied = |announced: &Announcement| {
            ahead.set(ahead.get() || announced.revision > own);
            // A revision is a number of the history that it belongs to.
            let same = announced.history == changes.history(announced.revision);
            announced.revision >= wait.revision && same
        };
        let pending = self.parts.membership.as_ref()?.pending(wait.began, now, applied);
        if pending.is_some() && ahead.get() {
            // Writes that notify no replica have moved another one on. Its report can be compared once they are applied here.
            self.wake.notify_one();
        }
        pending
    }
}
