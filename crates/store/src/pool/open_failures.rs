//! Failures to open connections: each cause is logged once, and then once a minute with the number of
//! repetitions. The last one is kept for diagnosis until a connection is opened again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Interval at which a cause is logged again.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Number of causes that are told apart; further ones are logged each time, and forget the others.
const CAUSES: usize = 16;

/// Failure to open a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFailure {
    /// Cause, in the words of the database or the operating system.
    pub cause: String,
    /// True if the database answers and must not be used: it is a standby, does not keep a setting that the store
    /// needs, or has been replaced.
    pub refused: bool,
}

/// Record of the failures to open a connection.
#[derive(Default)]
pub(super) struct OpenFailures(Mutex<Record>);

#[derive(Default)]
struct Record {
    last: Option<OpenFailure>,
    causes: HashMap<String, Cause>,
}

/// A cause, the time at which it was logged, and the number of failures since then.
struct Cause {
    logged: Instant,
    repeated: u64,
}

impl OpenFailures {
    /// Records a failure and logs it, unless it was logged within the last minute.
    pub(super) fn record(&self, failure: OpenFailure, now: Instant) {
        if let Some(repeated) = self.count(&failure.cause, now) {
            tracing::warn!(cause = %failure.cause, repeated, "failed to open a connection to the database");
        }
        self.lock().last = Some(failure);
    }

    /// Forgets the last failure, since a connection was opened.
    pub(super) fn end(&self) {
        self.lock().last = None;
    }

    /// Returns the last failure, if no connection was opened since.
    pub(super) fn last(&self) -> Option<OpenFailure> {
        self.lock().last.clone()
    }

    /// Counts a failure. Returns the number of earlier failures that were not logged if this one is to be.
    fn count(&self, cause: &str, now: Instant) -> Option<u64> {
        let mut record = self.lock();
        if let Some(known) = record.causes.get_mut(cause) {
            if now.saturating_duration_since(known.logged) < LOG_INTERVAL {
                known.repeated += 1;
                return None;
            }
            known.logged = now;
            return Some(std::mem::take(&mut known.repeated));
        }
        if record.causes.len() >= CAUSES {
            record.causes.clear();
        }
        record.causes.insert(cause.to_owned(), Cause { logged: now, repeated: 0 });
        Some(0)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_once_a_minute_with_its_number() {
        let (failures, start) = (OpenFailures::default(), Instant::now());
        let at = |cause: &str, seconds| failures.count(cause, start + Duration::from_secs(seconds));
        assert_eq!([at("a", 0), at("a", 1), at("b", 2), at("a", 59)], [Some(0), None, Some(0), None]);
        assert_eq!([at("a", 60), at("a", 61), at("b", 62)], [Some(2), None, Some(0)]);
    }

    #[test]
    fn the_last_cause_is_kept_until_a_connection_is_opened() {
        let failures = OpenFailures::default();
        let failure = OpenFailure { cause: "too many clients".to_owned(), refused: false };
        failures.record(failure.clone(), Instant::now());
        assert_eq!(failures.last(), Some(failure));
        failures.end();
        assert_eq!(failures.last(), None);
    }

    #[test]
    fn the_number_of_causes_is_bounded() {
        let (failures, now) = (OpenFailures::default(), Instant::now());
        for number in 0..100 {
            failures.count(&number.to_string(), now);
        }
        assert!(failures.lock().causes.len() <= CAUSES);
    }
}
