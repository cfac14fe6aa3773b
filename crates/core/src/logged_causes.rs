//! Bound of the log lines about an operation that fails again and again: each cause is logged at once, and then once a minute
//! with the number of failures that were not logged.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Interval at which a cause is logged again.
const INTERVAL: Duration = Duration::from_secs(60);
/// Number of causes that are distinguished. A further one is logged, and the others are forgotten.
const MAX_CAUSES: usize = 16;

/// Causes that were logged.
#[derive(Debug)]
pub struct LoggedCauses<C>(HashMap<C, LoggedCause>);

/// Time at which a cause was logged last, and the number of failures since then.
#[derive(Debug)]
struct LoggedCause {
    at: Instant,
    repeated: u64,
}

impl<C> Default for LoggedCauses<C> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<C: Eq + Hash> LoggedCauses<C> {
    /// Counts a failure. If it is to be logged, returns the number of failures of the same cause since the last line about it.
    #[must_use]
    pub fn count(&mut self, cause: C, now: Instant) -> Option<u64> {
        if let Some(logged) = self.0.get_mut(&cause) {
            if now.saturating_duration_since(logged.at) < INTERVAL {
                logged.repeated += 1;
                return None;
            }
            logged.at = now;
            return Some(std::mem::take(&mut logged.repeated));
        }
        if self.0.len() >= MAX_CAUSES {
            self.0.clear();
        }
        self.0.insert(cause, LoggedCause { at: now, repeated: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "any instant will do")]

    use super::*;

    #[test]
    fn a_cause_is_logged_at_once_and_then_once_a_minute_with_its_number() {
        let (mut causes, start) = (LoggedCauses::default(), Instant::now());
        let mut count =
            |cause: &'static str, seconds| causes.count(cause, start + Duration::from_secs(seconds));
        assert_eq!([count("a", 0), count("a", 1), count("a", 59)], [Some(0), None, None]);
        assert_eq!([count("a", 60), count("a", 61), count("a", 120)], [Some(2), None, Some(1)]);
    }

    #[test]
    fn causes_that_alternate_are_bounded_each() {
        let (mut causes, start) = (LoggedCauses::default(), Instant::now());
        let mut lines = 0;
        for second in 0..120 {
            let cause = if second % 2 == 0 { "no route to host" } else { "password authentication failed" };
            lines += u32::from(causes.count(cause, start + Duration::from_secs(second)).is_some());
        }
        assert_eq!(lines, 4, "two causes, each at once and a minute later");
    }

    #[test]
    fn the_number_of_causes_is_bounded() {
        let (mut causes, now) = (LoggedCauses::default(), Instant::now());
        for number in 0..100 {
            assert_eq!(causes.count(number, now), Some(0));
        }
        assert!(causes.0.len() <= MAX_CAUSES);
    }
}
