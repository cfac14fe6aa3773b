//! Waiting for other replicas, so that what is taken away here is admitted on no replica.
//!
//! A write is complete when no replica trusts a state from before it. A replica reports in its row what it has applied,
//! which takes milliseconds if all replicas work. A replica that does not report (partitioned, stopped, crashed) is
//! waited for until its own lease has ended, by the clock of this process.
//!
//! The rows are read after the commit: a replica whose row is not among them registers later, and reads the change
//! before it trusts anything.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::ports::Announcement;
use latchkey_core::time::MonotonicInstant;
use latchkey_management::ports::Propagation;
use tokio::time::{sleep, timeout};

use super::Follower;
use super::holders::{LONGEST_LEASE, with_margin};

/// Delays between two looks at the replicas: the first and the longest.
const POLL_DELAYS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(25));

/// Dependency in the error of a caller that gives up before the change is applied everywhere.
const PROPAGATION_PENDING: &str = "the change is committed and not yet applied everywhere: a replica";

/// Dependency in the error of a caller whose change may be among the commits that the database lost meanwhile.
const COMMITS_LOST: &str = "the database lost commits, and the change may be among them; repeat the call: it";

/// Time after which a caller may retry whose wait could not even read the replicas.
const RETRY_UNLISTED: Duration = Duration::from_secs(1);

/// A write that waits until it is applied everywhere.
struct Wait {
    revision: u64,
    /// When the wait began, which is after the commit.
    began: MonotonicInstant,
    /// True once the rows were read.
    listed: bool,
    /// Number of recoveries before the wait.
    recoveries: u64,
}

#[async_trait]
impl Propagation for Follower {
    /// Waits for this replica and for the others. A caller whose deadline comes first gets an error that says that the
    /// change is committed and not yet applied everywhere.
    async fn wait_until_applied(
        &self,
        revision: u64,
        deadline: Option<MonotonicInstant>,
    ) -> Result<(), SystemError> {
        let clock = &*self.parts.clock;
        let recoveries = self.counts.recoveries.load(Ordering::SeqCst);
        let mut wait = Wait { revision, began: clock.monotonic(), listed: false, recoveries };
        let last = wait.began.plus(with_margin(LONGEST_LEASE));
        let end = deadline.map_or(last, |deadline| last.min(deadline));
        let mut applied = self.applied.subscribe();
        self.wake.notify_one();
        self.notify_peers();
        let (mut pause, longest) = POLL_DELAYS;
        loop {
            let now = clock.monotonic();
            let remaining = end.since(now);
            self.look(&mut wait, remaining).await;
            let now = clock.monotonic();
            if self.counts.recoveries.load(Ordering::SeqCst) != wait.recoveries {
                return Err(SystemError::Unavailable {
                    dependency: COMMITS_LOST,
                    retry_after: RETRY_UNLISTED,
                });
            }
            let Some(until) = self.pending(&wait, now) else { return Ok(()) };
            if now >= end {
                let retry_after = if wait.listed { until.since(now) } else { RETRY_UNLISTED };
                return Err(SystemError::Unavailable { dependency: PROPAGATION_PENDING, retry_after });
            }
            let next = pause.min(until.since(now)).min(end.since(now)).max(Duration::from_millis(1));
            // This replica's own progress is noticed at once; the others' is read again.
            if *applied.borrow_and_update() < revision {
                drop(timeout(next, applied.changed()).await);
            } else {
                sleep(next).await;
            }
            pause = (pause * 2).min(longest);
        }
    }
}

impl Follower {
    /// Reads the rows of replicas, if there are any.
    async fn look(&self, wait: &mut Wait, remaining: Duration) {
        let Some(membership) = &self.parts.membership else {
            wait.listed = true;
            return;
        };
        let look = membership.look(wait.revision, &*self.parts.clock);
        if let Ok(Ok(())) = timeout(remaining, look).await {
            wait.listed = true;
        }
    }

    /// Returns until when the wait goes on at most, as far as this replica knows; `None` if it is over.
    fn pending(&self, wait: &Wait, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let own_end = wait.began.plus(self.parts.settings.lease);
        let applied_here = *self.applied.borrow() >= wait.revision;
        let here = (!applied_here && now < own_end).then_some(own_end);
        let changes = self.parts.cache.applied_changes();
        let applied = |announced: &Announcement| {
            // A revision is a number of the history that it belongs to: a database that lost commits gives it again.
            let same = |theirs| changes.history(announced.revision).is_some_and(|ours| ours == theirs);
            announced.revision >= wait.revision && announced.history.is_none_or(same)
        };
        let there = self
            .parts
            .membership
            .as_ref()
            .and_then(|membership| membership.pending(wait.began, now, applied));
        // Without a list that was read after the commit, nobody knows whom to wait for.
        let unknown = (!wait.listed).then(|| wait.began.plus(with_margin(LONGEST_LEASE)));
        here.into_iter().chain(there).chain(unknown).max()
    }
}
