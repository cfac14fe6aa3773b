//! The one way to the database: a piece of work under a deadline, with its time taken. However it ends (answered,
//! refused by the database, late, or because nobody waits for it any more), it is told once.

use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::ports::timing::{QueryKind, QueryOutcome, QueryTimer};
use latchkey_core::time::MonotonicInstant;
use tokio::time::timeout;

use super::Store;
use crate::error::StoreError;

impl Store {
    /// Does something within the deadline. Whoever misses it drops what they hold, and so closes it.
    pub(super) async fn with_deadline<T, E: From<StoreError> + From<SystemError>>(
        &self,
        question: QueryKind,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, E> {
        self.with_deadline_of(self.deadline, question, work).await
    }

    /// The same within another deadline.
    pub(super) async fn with_deadline_of<T, E: From<StoreError> + From<SystemError>>(
        &self,
        deadline: Duration,
        question: QueryKind,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, E> {
        let mut timed = TimedQuery::start(&*self.timer, question);
        let done = timeout(deadline, work).await;
        timed.end = match &done {
            Ok(Ok(_) | Err(StoreError::Refused(_))) => QueryOutcome::Ok,
            Ok(Err(StoreError::Database(_) | StoreError::Corrupt(_))) => QueryOutcome::Failed,
            Err(_) => QueryOutcome::TimedOut,
        };
        match done {
            Ok(done) => Ok(done?),
            Err(_) => Err(SystemError::database().into()),
        }
    }
}

/// A question that is being asked; its end is told when it is dropped.
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
