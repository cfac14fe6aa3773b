//! Context of a management call, which is not part of its request message.

use std::net::IpAddr;
use std::time::Duration;

use latchkey_core::time::MonotonicInstant;

/// Longest part of a deadline that is reserved for the response to reach the caller: a round trip to another continent,
/// or a pause of a busy machine.
const MARGIN: Duration = Duration::from_millis(250);

/// Context of one call: its identifier, its deadline and its sender's address. The default is for work that no
/// caller waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// Identifier of the request, for the audit log; empty where there is none.
    pub request_id: String,
    /// Moment at which the caller stops waiting; `None` if the caller set no deadline.
    pub deadline: Option<MonotonicInstant>,
    /// Address of the sender, by which failed logins are counted; `None` if it is unknown.
    pub address: Option<IpAddr>,
    /// Profile whose endpoint makes the call, which is for tenants of this profile alone; `None` for a call of any tenant.
    pub profile: Option<Box<str>>,
}

impl CallContext {
    /// Returns whether the call may be for tenants of a profile.
    pub(crate) fn is_for(&self, profile: &str) -> bool {
        self.profile.as_deref().is_none_or(|own| own == profile)
    }

    /// Returns the moment until which the call may still wait: a quarter of the time that remains at `now`, and 250 ms
    /// at most, is reserved for the response. `None` if the caller set no deadline.
    #[must_use]
    pub fn waits_until(&self, now: MonotonicInstant) -> Option<MonotonicInstant> {
        let remaining = self.deadline?.since(now);
        Some(now.plus(remaining.saturating_sub(MARGIN.min(remaining / 4))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(left: Duration) -> Option<Duration> {
        let now = MonotonicInstant(7_000_000_000);
        let call = CallContext { deadline: Some(now.plus(left)), ..CallContext::default() };
        call.waits_until(now).map(|until| until.since(now))
    }

    #[test]
    fn waiting_ends_before_the_caller_gives_up() {
        assert_eq!(CallContext::default().waits_until(MonotonicInstant(7)), None);
        assert_eq!(waits(Duration::from_secs(2)), Some(Duration::from_millis(1_750)));
        assert_eq!(waits(Duration::from_millis(40)), Some(Duration::from_millis(30)));
        assert_eq!(waits(Duration::ZERO), Some(Duration::ZERO));
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_no_time() {
        let call = CallContext { deadline: Some(MonotonicInstant(5)), ..CallContext::default() };
        assert_eq!(call.waits_until(MonotonicInstant(9)), Some(MonotonicInstant(9)));
    }
}
