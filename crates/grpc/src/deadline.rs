//! How long a Check may take. Envoy gives up after 200 ms on its own, so we do before that, or sooner where
//! the caller said so. A decision that is made without waiting costs no timer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use latchkey_core::trouble::Trouble;
use tokio::time::Instant;

/// The longest that a Check takes.
pub(crate) const LONGEST: Duration = Duration::from_millis(150);

/// How long an answer may need to reach the caller.
const MARGIN: Duration = Duration::from_millis(100);

/// The longest that a batch takes. Each of its checks has a Check's own bound, so that a store that hangs is
/// found out at the first.
pub(crate) const LONGEST_BATCH: Duration = Duration::from_secs(5);

/// What is left for a call: our own bound, or the caller's where that is shorter.
pub(crate) fn left(headers: &HeaderMap, longest: Duration) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| parse(value.as_bytes()));
    asked.map_or(longest, |asked| asked.min(longest))
}

tokio::task_local! {
    /// When the call that this task works for gives up.
    static GIVES_UP: Instant;
}

/// When whoever sent this gives up, if they said so.
pub(crate) fn gives_up(headers: &HeaderMap) -> Option<Instant> {
    let asked = headers.get("grpc-timeout").and_then(|value| parse(value.as_bytes()))?;
    Instant::now().checked_add(asked)
}

/// Works on a call that is given up then.
pub(crate) fn work<T>(gives_up: Option<Instant>, work: impl FnOnce() -> T) -> T {
    match gives_up {
        Some(then) => GIVES_UP.sync_scope(then, work),
        None => work(),
    }
}

/// How long the call that this task works for may still wait, so that its answer arrives before its sender
/// gives up; none where the sender didn't say.
#[must_use]
pub fn patience() -> Option<Duration> {
    let left = GIVES_UP.try_with(|then| then.saturating_duration_since(Instant::now())).ok()?;
    Some(left.saturating_sub(MARGIN.min(left / 4)))
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

/// Runs `work`; when it hasn't ended in time, nobody could decide.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let mut work = pin!(work);
    let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    if let Poll::Ready(done) = first {
        return done;
    }
    let late = Trouble::Outage { what: "a store", retry: Duration::from_secs(1) };
    tokio::time::timeout(limit, work).await.unwrap_or(Err(late))
}

#[cfg(test)]
mod tests {
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
    async fn patience_ends_before_the_caller_gives_up() {
        assert_eq!(patience(), None);
        let mut headers = HeaderMap::new();
        assert_eq!(gives_up(&headers), None);
        headers.insert("grpc-timeout", "2S".parse().unwrap());
        let left = work(gives_up(&headers), patience);
        assert_eq!(left, Some(Duration::from_millis(1_900)));
        headers.insert("grpc-timeout", "40m".parse().unwrap());
        assert_eq!(work(gives_up(&headers), patience), Some(Duration::from_millis(30)));
    }

    #[test]
    fn what_is_no_timeout_is_none() {
        for text in ["", "m", "20", "-1m", "123456789n", "1x", "1.5S"] {
            assert_eq!(limit(text), LONGEST, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_an_outage() {
        let waiting = std::future::pending::<Result<(), Trouble>>();
        let late = within(LONGEST, waiting).await;
        assert!(matches!(late, Err(Trouble::Outage { .. })));
        assert_eq!(within(LONGEST, async { Ok(7) }).await, Ok(7));
    }
}
