//! Deadlines of calls. A Check ends before the timeout of Envoy (200 ms by default), or earlier if the caller's
//! `grpc-timeout` is shorter. A decision that does not wait needs no timer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::error::SystemError;
use latchkey_core::time::MonotonicInstant;
use tokio::time::Instant;

/// Longest duration of a batch. Each of its checks also has the limit of a single Check, so that a store that hangs
/// ends the batch at its first check.
pub(crate) const MAX_BATCH_DURATION: Duration = Duration::from_secs(5);

/// Returns the longest duration of a call: `maximum`, or the caller's `grpc-timeout` if that is shorter.
pub(crate) fn timeout_for(headers: &HeaderMap, maximum: Duration) -> Duration {
    let requested = headers.get("grpc-timeout").and_then(|value| parse_grpc_timeout(value.as_bytes()));
    requested.map_or(maximum, |requested| requested.min(maximum))
}

/// Moment at which the sender of a call stops waiting for its response. It is stored in the call's extensions when
/// the call arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerDeadline(Instant);

impl CallerDeadline {
    /// Reads the deadline of a call that arrives now; `None` if its sender set none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let requested = headers.get("grpc-timeout").and_then(|value| parse_grpc_timeout(value.as_bytes()))?;
        Instant::now().checked_add(requested).map(Self)
    }

    /// Returns the same moment by the clock that reads `now`.
    pub(crate) fn tick(self, now: MonotonicInstant) -> MonotonicInstant {
        now.plus(self.0.saturating_duration_since(Instant::now()))
    }
}

/// Parses one to eight digits and a unit (gRPC over HTTP/2, "Timeout"). Returns `None` for anything else.
fn parse_grpc_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3_600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Runs `work`, and returns `Unavailable` if it does not end within the limit. The limit is calculated only if the
/// first poll of `work` does not complete it, and the time counts from that poll.
pub(crate) async fn with_timeout<T>(
    limit: impl FnOnce() -> Duration,
    mut work: Pin<&mut impl Future<Output = Result<T, SystemError>>>,
) -> Result<T, SystemError> {
    let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    if let Poll::Ready(result) = first {
        return result;
    }
    let timeout_error = SystemError::no_answer("a store", Duration::from_secs(1));
    tokio::time::timeout(limit(), work).await.unwrap_or(Err(timeout_error))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    const MAX_CHECK_DURATION: Duration = Duration::from_millis(150);

    fn limit(timeout: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", timeout.parse().unwrap());
        timeout_for(&headers, MAX_CHECK_DURATION)
    }

    #[test]
    fn the_shorter_limit_applies() {
        assert_eq!(limit("20m"), Duration::from_millis(20));
        assert_eq!(limit("1500u"), Duration::from_micros(1500));
        assert_eq!(limit("1S"), MAX_CHECK_DURATION);
        assert_eq!(limit("99999999H"), MAX_CHECK_DURATION);
        assert_eq!(timeout_for(&HeaderMap::new(), MAX_CHECK_DURATION), MAX_CHECK_DURATION);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_of_a_caller_does_not_move() {
        let mut headers = HeaderMap::new();
        assert_eq!(CallerDeadline::of(&headers), None);
        headers.insert("grpc-timeout", "2S".parse().unwrap());
        let deadline = CallerDeadline::of(&headers).unwrap();
        assert_eq!(deadline.tick(MonotonicInstant(7)), MonotonicInstant(2_000_000_007));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(deadline.tick(MonotonicInstant(7)), MonotonicInstant(1_500_000_007));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(deadline.tick(MonotonicInstant(7)), MonotonicInstant(7));
    }

    #[test]
    fn an_invalid_timeout_is_ignored() {
        for text in ["", "m", "20", "-1m", "123456789n", "1x", "1.5S"] {
            assert_eq!(limit(text), MAX_CHECK_DURATION, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_exceeds_its_limit_is_unavailable() {
        let waiting = pin!(std::future::pending::<Result<(), SystemError>>());
        let timeout_error = with_timeout(|| MAX_CHECK_DURATION, waiting).await;
        assert!(matches!(timeout_error, Err(SystemError::Unavailable { .. })));
        let unused = || unreachable!("the limit is not calculated for work that does not wait");
        assert_eq!(with_timeout(unused, pin!(async { Ok(7) })).await, Ok(7));
    }
}
