//! Log of attempts to start that failed. A cause is logged when it appears, and then once a minute while it stays.

use std::time::Duration;

use tokio::time::Instant;

/// Interval at which a cause is logged again.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Failed attempts to start.
#[derive(Default)]
pub(super) struct RetryLog {
    /// Cause that was logged last, and the time at which it was.
    logged: Option<(String, Instant)>,
    /// Failed attempts since then.
    repeated: u64,
}

impl RetryLog {
    /// Logs a failed attempt, unless its cause was logged within the last minute.
    pub(super) fn record(&mut self, reason: &str, error: &str) {
        if let Some(repeated) = self.count(&format!("{reason}: {error}"), Instant::now()) {
            tracing::warn!(%error, repeated, "not ready: {reason}; the start is retried");
        }
    }

    /// Counts a failed attempt. Returns the number of attempts that were not logged before it if this one is to be.
    fn count(&mut self, cause: &str, now: Instant) -> Option<u64> {
        if let Some((logged, at)) = &self.logged
            && logged == cause
            && now.saturating_duration_since(*at) < LOG_INTERVAL
        {
            self.repeated += 1;
            return None;
        }
        self.logged = Some((cause.to_owned(), now));
        Some(std::mem::take(&mut self.repeated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_at_once_and_then_once_a_minute() {
        let (mut log, start) = (RetryLog::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(log.count("no route to host", at(0)), Some(0));
        assert_eq!(log.count("no route to host", at(1)), None);
        assert_eq!(log.count("no route to host", at(59)), None);
        assert_eq!(log.count("no route to host", at(60)), Some(2));
        assert_eq!(log.count("password authentication failed", at(61)), Some(0));
        assert_eq!(log.count("password authentication failed", at(62)), None);
        assert_eq!(log.count("no route to host", at(63)), Some(1));
    }
}
