//! Failures of a database: to open connections, and of statements. Each cause is logged once, and then once a minute
//! with the number of repetitions. The last one is kept for diagnosis: a failure to open a connection until one is
//! opened again, and a failed statement for a few seconds.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_core::logged_causes::LoggedCauses;
use tokio::time::Instant;

/// Time for which a failed statement explains why the database can't be used.
const EXPLAINS_FOR: Duration = Duration::from_secs(5);

/// Failure to open a connection or to run a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFailure {
    /// Cause, in the words of the database or the operating system.
    pub cause: String,
    /// True if the database answers: it refused the connection or the statement, or it must not be used, since it is
    /// a standby, does not keep a setting that the store needs, or has been replaced.
    pub refused: bool,
}

/// Operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FailedStep {
    /// A connection could not be opened.
    Open,
    /// The database answered a statement with an error, or the connection broke.
    Statement,
    /// No answer within a caller's deadline.
    Deadline,
}

impl FailedStep {
    fn message(self) -> &'static str {
        match self {
            Self::Open => "failed to open a connection to the database",
            Self::Statement => "the database failed a statement",
            Self::Deadline => "the database did not answer in time",
        }
    }
}

/// Record of the failures of a database.
#[derive(Default)]
pub(super) struct Failures(Mutex<Record>);

#[derive(Default)]
struct Record {
    last: Option<(DatabaseFailure, FailedStep, Instant)>,
    logged: LoggedCauses<(FailedStep, String)>,
}

impl Record {
    /// Returns the failure that explains the present state.
    fn present(&self, now: Instant) -> Option<&DatabaseFailure> {
        let (failure, step, at) = self.last.as_ref()?;
        let explains = *step == FailedStep::Open || now.saturating_duration_since(*at) < EXPLAINS_FOR;
        explains.then_some(failure)
    }
}

impl Failures {
    /// Records a failure and logs it, unless it was logged within the last minute. A missed deadline does not
    /// replace a cause that the database itself named.
    pub(super) fn record(&self, step: FailedStep, failure: DatabaseFailure, now: Instant) {
        let repeated = self.lock().logged.count((step, failure.cause.clone()), now.into_std());
        if let Some(repeated) = repeated {
            tracing::warn!(cause = %failure.cause, repeated, "{}", step.message());
        }
        let mut record = self.lock();
        if step != FailedStep::Deadline || record.present(now).is_none() {
            record.last = Some((failure, step, now));
        }
    }

    /// Forgets the last failure to open a connection, since one was opened.
    pub(super) fn opened(&self) {
        self.lock().last.take_if(|(_, step, _)| *step == FailedStep::Open);
    }

    /// Returns the last failure to open a connection, if none was opened since, or a statement that failed within
    /// the last seconds.
    pub(super) fn present(&self, now: Instant) -> Option<DatabaseFailure> {
        self.lock().present(now).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(cause: &str) -> DatabaseFailure {
        DatabaseFailure { cause: cause.to_owned(), refused: false }
    }

    #[test]
    fn the_cause_of_opening_is_kept_until_a_connection_is_opened() {
        let (failures, now) = (Failures::default(), Instant::now());
        failures.record(FailedStep::Open, failure("too many clients"), now);
        assert_eq!(failures.present(now + 2 * EXPLAINS_FOR), Some(failure("too many clients")));
        failures.opened();
        assert_eq!(failures.present(now), None);
    }

    #[test]
    fn a_failed_statement_explains_for_a_few_seconds_and_outlives_an_opened_connection() {
        let (failures, now) = (Failures::default(), Instant::now());
        failures.record(FailedStep::Statement, failure("disk full"), now);
        failures.opened();
        failures.record(FailedStep::Deadline, failure("no answer"), now);
        assert_eq!(failures.present(now), Some(failure("disk full")));
        assert_eq!(failures.present(now + EXPLAINS_FOR), None);
        failures.record(FailedStep::Deadline, failure("no answer"), now + EXPLAINS_FOR);
        assert_eq!(failures.present(now + EXPLAINS_FOR), Some(failure("no answer")));
    }
}
