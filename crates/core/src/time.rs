//! Time as a parameter. Two clocks never mix: expiry follows the wall clock, while leases and buckets
//! follow a monotonic one that runs on while the process is stopped.

use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch, by the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This time moved forward by `by`; saturates at the end of time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Whole seconds since the epoch, rounded up: a moment named in seconds is never too early.
    #[must_use]
    pub fn ceil_seconds(self) -> i64 {
        self.0.div_euclid(1000) + i64::from(self.0.rem_euclid(1000) > 0)
    }

    /// The day in UTC, as RFC 3339 writes it (`2025-01-01`).
    #[must_use]
    pub fn date(self) -> String {
        self.civil().map_or_else(String::new, |c| c.date().to_string())
    }

    fn civil(self) -> Option<jiff::civil::DateTime> {
        let instant = jiff::Timestamp::from_millisecond(self.0).ok()?;
        Some(instant.to_zoned(jiff::tz::TimeZone::UTC).datetime())
    }
}

/// RFC 3339 in UTC with milliseconds where there are some.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Nanoseconds on the monotonic clock (`CLOCK_BOOTTIME` or its like); the origin means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonotonicInstant(pub u64);

impl MonotonicInstant {
    /// This tick moved forward by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// How long after `earlier` this is; zero where it isn't.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in nanoseconds; five centuries fit.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Both clocks, read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// For expiry and for what people read.
    pub wall: Timestamp,
    /// For leases, caches and buckets.
    pub monotonic: MonotonicInstant,
}

/// The only place that time comes from.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Reads the monotonic one alone.
    fn monotonic(&self) -> MonotonicInstant {
        self.now().monotonic
    }
}
