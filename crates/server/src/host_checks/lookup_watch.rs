//! Watch of look-ups, for readiness. A database that refuses them while the lease goes on leaves the cached keys: `/readyz`
//! says so, and the log once.

use std::time::Duration;

use latchkey_core::time::MonotonicInstant;
use tokio::time::sleep;

use super::lookups::{self, LookupTrial, try_lookups};
use super::monitor::HostMonitor;
use crate::readiness::{Lack, Readiness, Stage};

/// Interval of trials while look-ups are answered.
const INTERVAL: Duration = Duration::from_secs(5);
/// Interval while they are refused, so that the end of that is noticed soon.
const REFUSED_INTERVAL: Duration = Duration::from_secs(1);
/// Time for which look-ups may be refused, so that an administrator's short change is not reported.
const PATIENCE: Duration = Duration::from_secs(3);

/// Look-ups as the trials find them.
#[derive(Debug, Default)]
struct LookupState {
    /// Time of the first of the refused trials without an answered one since.
    refused_since: Option<MonotonicInstant>,
    /// True while the replica is limited for this reason.
    reported: bool,
}

/// Change that a trial causes.
#[derive(Debug, PartialEq, Eq)]
enum LookupChange {
    /// Look-ups have been refused for too long. True if they had not been before.
    Refused(bool),
    /// Look-ups are answered again.
    Answered,
}

impl LookupState {
    /// Records a trial that was answered or refused.
    fn record(&mut self, refused: bool, now: MonotonicInstant) -> Option<LookupChange> {
        if !refused {
            self.refused_since = None;
            return std::mem::take(&mut self.reported).then_some(LookupChange::Answered);
        }
        let since = *self.refused_since.get_or_insert(now);
        (now.since(since) >= PATIENCE)
            .then(|| LookupChange::Refused(!std::mem::replace(&mut self.reported, true)))
    }

    /// Returns the time until the next trial.
    fn interval(&self) -> Duration {
        if self.refused_since.is_some() { REFUSED_INTERVAL } else { INTERVAL }
    }
}

impl HostMonitor {
    /// Makes trials from the end of the start on, until the future is dropped, and makes the process limited while look-ups
    /// are refused.
    pub(crate) async fn watch_lookups(&self, readiness: &Readiness) {
        let mut stage = readiness.watch();
        // The sender is the readiness itself.
        drop(stage.wait_for(|stage| !matches!(stage, Stage::Starting(_))).await);
        let mut state = LookupState::default();
        loop {
            let tried = Box::pin(try_lookups(&self.store)).await;
            let now = self.clock.monotonic();
            match tried {
                LookupTrial::Answered => report(readiness, state.record(false, now), "").await,
                LookupTrial::Refused(cause) => report(readiness, state.record(true, now), &cause).await,
                // Nothing is known; the end of the lease reports an outage.
                LookupTrial::NoAnswer => {}
            }
            sleep(state.interval()).await;
        }
    }
}

/// Reports a change to health checks, and to the log once.
async fn report(readiness: &Readiness, change: Option<LookupChange>, cause: &str) {
    match change {
        Some(LookupChange::Refused(begins)) => {
            if begins {
                tracing::error!(
                    cause,
                    "the database refuses look-ups of keys; cached keys alone are admitted"
                );
            }
            readiness.set_lack(Lack::Lookups, format!("the database: {}", lookups::consequence(cause))).await;
        }
        Some(LookupChange::Answered) => {
            tracing::info!("the database answers look-ups of keys again");
            readiness.clear_lack(Lack::Lookups).await;
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: MonotonicInstant = MonotonicInstant(1_000_000);

    #[test]
    fn look_ups_that_are_refused_for_some_time_are_reported_until_one_is_answered() {
        let mut state = LookupState::default();
        let at = |seconds| START.plus(Duration::from_secs(seconds));
        assert_eq!(state.record(false, at(0)), None);
        assert_eq!(state.interval(), INTERVAL);
        assert_eq!(state.record(true, at(15)), None);
        assert_eq!(state.interval(), REFUSED_INTERVAL);
        assert_eq!(state.record(true, at(17)), None);
        assert_eq!(state.record(true, at(18)), Some(LookupChange::Refused(true)));
        assert_eq!(state.record(true, at(19)), Some(LookupChange::Refused(false)), "the cause may change");
        assert_eq!(state.record(false, at(20)), Some(LookupChange::Answered));
        assert_eq!(state.record(false, at(21)), None);
    }

    #[test]
    fn an_answer_begins_the_time_again() {
        let mut state = LookupState::default();
        let at = |seconds| START.plus(Duration::from_secs(seconds));
        for seconds in [0, 4, 8] {
            assert_eq!(state.record(true, at(seconds)), None);
            assert_eq!(state.record(false, at(seconds + 2)), None);
        }
    }
}
