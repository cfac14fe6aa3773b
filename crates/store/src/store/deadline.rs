//! Runs a query or a write under a deadline, and reports its duration. Each is reported exactly once, however
//! it ends: answered, refused by the database, timed out, or dropped by its caller.

use std::sync::atomic::Ordering;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::{QueryKind, QueryOutcome, QueryTimer};
use latchkey_core::time::MonotonicInstant;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Store;
use crate::error::StoreError;

impl Store {
    /// Runs work within the store's deadline. On a timeout the future is dropped, and its connection is closed.
    pub(super) async fn with_deadline<T, E: From<StoreError> + From<SystemError>>(
        &self,
        question: QueryKind,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, E> {
        let deadline = self.deadline * self.patience.load(Ordering::Relaxed);
        self.with_deadline_of(deadline, question, work).await
    }

    /// Multiplies the deadline of all calls but look-ups from now on. On a new connection each statement is prepared first,
    /// so that the first writes to a distant database take longer than any later one.
    pub fn set_patience(&self, factor: u32) {
        self.patience.store(factor, Ordering::Relaxed);
    }

    /// Runs work within the given deadline.
    pub(super) async fn with_deadline_of<T, E: From<StoreError> + From<SystemError>>(
        &self,
        deadline: Duration,
        question: QueryKind,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, E> {
        let mut timed = TimedQuery::start(&*self.timer, question);
        let permitted = self.list_permit(deadline, question).await;
        let _permit = permitted.inspect_err(|_| timed.end = QueryOutcome::TimedOut)?;
        let done = timeout(deadline, work).await;
        timed.end = match &done {
            Ok(Ok(_) | Err(StoreError::Refused(_))) => QueryOutcome::Ok,
            Ok(Err(
                StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::NotStored | StoreError::Stale,
            )) => QueryOutcome::Failed,
            Err(_) => QueryOutcome::TimedOut,
        };
        let Ok(done) = done else {
            self.pool.missed_deadline(deadline);
            return Err(SystemError::database().into());
        };
        Ok(done?)
    }

    /// Waits for the permit to read a list; `None` for any other work. Callers of management decide how many lists are read
    /// at a time, and must not take the connections of look-ups and heartbeats by them.
    async fn list_permit(
        &self,
        deadline: Duration,
        question: QueryKind,
    ) -> Result<Option<SemaphorePermit<'_>>, SystemError> {
        if !matches!(question, QueryKind::List | QueryKind::ReadUsage) {
            return Ok(None);
        }
        let busy =
            || SystemError::database_refused("refused the call: too many lists are being read; repeat it");
        // The semaphore is never closed.
        timeout(deadline, self.lists.acquire()).await.map(Result::ok).map_err(|_| busy())
    }
}

/// Returns the number of lists that are read at a time: writes take half of the connections at most, and one is left if there
/// are three or more.
pub(super) fn lists_at_once(connections: u32) -> usize {
    usize::try_from(connections.div_ceil(2).saturating_sub(1)).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS)
}

/// A running query, which reports its end when it is dropped.
struct TimedQuery<'a> {
    timer: &'a dyn QueryTimer,
    question: QueryKind,
    began: MonotonicInstant,
    end: QueryOutcome,
}

impl<'a> TimedQuery<'a> {
    fn start(timer: &'a dyn QueryTimer, question: QueryKind) -> Self {
        Self { timer, question, began: timer.start(), end: QueryOutcome::Cancelled }
    }
}

impl Drop for TimedQuery<'_> {
    fn drop(&mut self) {
        self.timer.stop(self.question, self.end, self.began);
    }
}
