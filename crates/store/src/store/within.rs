//! The one way to the database: a piece of work under a deadline, with its time taken. However it ends (answered,
//! refused by the database, late, or because nobody waits for it any more), it is told once.

use std::time::Duration;

use latchkey_core::ports::timing::{End, Question, Stopwatch};
use latchkey_core::time::Tick;
use latchkey_core::trouble::Trouble;
use tokio::time::timeout;

use super::Store;
use crate::stop::Stop;

impl Store {
    /// Does something within the deadline. Whoever misses it drops what they hold, and so closes it.
    pub(super) async fn within<T, E: From<Stop> + From<Trouble>>(
        &self,
        question: Question,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, E> {
        self.within_of(self.deadline, question, work).await
    }

    /// The same within another deadline.
    pub(super) async fn within_of<T, E: From<Stop> + From<Trouble>>(
        &self,
        deadline: Duration,
        question: Question,
        work: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, E> {
        let mut asked = Asked::now(&*self.stopwatch, question);
        let done = timeout(deadline, work).await;
        asked.end = match &done {
            Ok(Ok(_) | Err(Stop::Refused(_))) => End::Answered,
            Ok(Err(Stop::Database(_) | Stop::Spoiled(_))) => End::Failed,
            Err(_) => End::Late,
        };
        match done {
            Ok(done) => Ok(done?),
            Err(_) => Err(Trouble::database().into()),
        }
    }
}

/// A question that is being asked; its end is told when it is dropped.
struct Asked<'a> {
    stopwatch: &'a dyn Stopwatch,
    question: Question,
    began: Tick,
    end: End,
}

impl<'a> Asked<'a> {
    fn now(stopwatch: &'a dyn Stopwatch, question: Question) -> Self {
        Self { stopwatch, question, began: stopwatch.start(), end: End::Abandoned }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.stopwatch.stop(self.question, self.end, self.began);
    }
}
