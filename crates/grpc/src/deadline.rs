//! How long a Check may take. Envoy gives up after 200 ms on its own, so we do before that, or sooner where
//! the caller said so. A decision that is made without waiting costs no timer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::time::Tick;
use latchkey_core::trouble::Trouble;
use tokio::time::Instant;

/// The longest that a Check takes.
pub(crate) const LONGEST: Duration = Duration::from_millis(150);

/// The longest that a batch takes. Each of its checks has a Check's own bound, so that a store that hangs is
/// found out at the first.
pub(crate) const LONGEST_BATCH: Duration = Duration::from_secs(5);

/// What is left for a call: our own bound, or the caller's where that is shorter.
pub(crate) fn left(headers: &HeaderMap, longest: Duration) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| parse(value.as_bytes()));
    asked.map_or(longest, |asked| asked.min(longest))
}

/// Moment at which the sender of a call stops waiting for its response. It travels with the call from its arrival on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerDeadline(Instant);

impl CallerDeadline {
    /// Reads the deadline of a call that arrives now; `None` if its sender set none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let asked = headers.get("grpc-timeout").and_then(|value| parse(value.as_bytes()))?;
        Instant::now().checked_add(asked).map(Self)
    }

    /// Returns the same moment by the clock that reads `now`.
    pub(crate) fn tick(self, now: Tick) -> Tick {
        now.after(self.0.saturating_duration_since(Instant::now()))
    }
}

/// At most eight digits and a unit (gRPC over HTTP/2, "Timeout"); anything else is as good as none.
fn parse(text: &[u8]) -> Option<Duration> {
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

/// Runs `work`; an outage when it hasn't ended in time. The limit is worked out where there is anything to wait
/// for, and the time counts from then on.
pub(crate) async fn within<T>(
    limit: impl FnOnce() -> Duration,
    mut work: Pin<&mut impl Future<Output = Result<T, Trouble>>>,
) -> Result<T, Trouble> {
    let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    if let Poll::Ready(done) = first {
        return done;
    }
    let late = Trouble::Outage { what: "a store", retry: Duration::from_secs(1) };
    tokio::time::timeout(limit(), work).await.unwrap_or(Err(late))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn limit(timeout: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", timeout.parse().unwrap());
        left(&headers, LONGEST)
    }

    #[test]
    fn the_shorter_of_both_bounds_holds() {
        assert_eq!(limit("20m"), Duration::from_millis(20));
        assert_eq!(limit("1500u"), Duration::from_micros(1500));
        assert_eq!(limit("1S"), LONGEST);
        assert_eq!(limit("99999999H"), LONGEST);
        assert_eq!(left(&HeaderMap::new(), LONGEST), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_of_a_caller_stays_where_it_is() {
        let mut headers = HeaderMap::new();
        assert_eq!(CallerDeadline::of(&headers), None);
        headers.insert("grpc-timeout", "2S".parse().unwrap());
        let deadline = CallerDeadline::of(&headers).unwrap();
        assert_eq!(deadline.tick(Tick(7)), Tick(2_000_000_007));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(deadline.tick(Tick(7)), Tick(1_500_000_007));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(deadline.tick(Tick(7)), Tick(7));
    }

    #[test]
    fn what_is_no_timeout_is_none() {
        for text in ["", "m", "20", "-1m", "123456789n", "1x", "1.5S"] {
            assert_eq!(limit(text), LONGEST, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_an_outage() {
        let waiting = pin!(std::future::pending::<Result<(), Trouble>>());
        let late = within(|| LONGEST, waiting).await;
        assert!(matches!(late, Err(Trouble::Outage { .. })));
        let unused = || unreachable!("no limit is needed where nothing waits");
        assert_eq!(within(unused, pin!(async { Ok(7) })).await, Ok(7));
    }
}
