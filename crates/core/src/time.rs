//! Time as a parameter. There are two clocks that never mix: expiry follows the wall clock, while leases and
//! buckets follow a monotonic clock that goes on while the process is stopped.

use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch, by the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Returns this time plus `by`; saturates at the largest time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the whole seconds since the epoch, rounded up, so that a time given in seconds is never too
    /// early.
    #[must_use]
    pub fn ceil_seconds(self) -> i64 {
        self.0.div_euclid(1000) + i64::from(self.0.rem_euclid(1000) > 0)
    }

    /// Returns the day in UTC as RFC 3339 writes it (`2025-01-01`); empty if the year is out of range.
    #[must_use]
    pub fn date(self) -> String {
        self.civil().map_or_else(String::new, |c| c.date().to_string())
    }

    fn civil(self) -> Option<jiff::civil::DateTime> {
        let instant = jiff::Timestamp::from_millisecond(self.0).ok()?;
        Some(instant.to_zoned(jiff::tz::TimeZone::UTC).datetime())
    }
}

/// Writes RFC 3339 in UTC, with milliseconds if there are any.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Nanoseconds on the monotonic clock (`CLOCK_BOOTTIME` or an equivalent). The origin has no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonotonicInstant(pub u64);

impl MonotonicInstant {
    /// Returns this instant plus `by`; saturates at the largest instant.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// Returns the time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Returns a duration in nanoseconds. Durations of up to five centuries fit; longer ones saturate.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment on both clocks, read at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Wall time, for expiry and for people.
    pub wall: Timestamp,
    /// Monotonic time, for leases, caches and buckets.
    pub monotonic: MonotonicInstant,
}

/// Source of time. All code gets the time from it.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Reads the monotonic clock alone.
    fn monotonic(&self) -> MonotonicInstant {
        self.now().monotonic
    }
}
