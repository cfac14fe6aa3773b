//! Time as a parameter. There are two clocks that never mix: expiry follows the wall clock, while leases and
//! buckets follow a monotonic clock that continues while the process is stopped.

use std::fmt;
use std::time::Duration;

/// Longest duration that `google.protobuf.Duration` can hold, about 10,000 years.
pub const LONGEST_DURATION: Duration = Duration::from_secs(315_576_000_000);

/// Milliseconds since the Unix epoch, by the wall clock. A stored time can be outside the range from
/// [`Self::EARLIEST`] to [`Self::LATEST`], and no request can set one that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Earliest time that RFC 3339 and `google.protobuf.Timestamp` can hold: 0001-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(-62_135_596_800_000);
    /// Latest time that RFC 3339 and `google.protobuf.Timestamp` can hold: 9999-12-31T23:59:59.999Z.
    pub const LATEST: Self = Self(253_402_300_799_999);

    /// Returns this time plus `by`; saturates at the largest number.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns this time plus `by`; `None` if the sum is after [`Self::LATEST`].
    #[must_use]
    pub fn checked_plus(self, by: Duration) -> Option<Self> {
        Some(self.plus(by)).filter(|sum| *sum <= Self::LATEST)
    }

    /// Returns the nearest time from [`Self::EARLIEST`] to [`Self::LATEST`].
    #[must_use]
    pub fn clamped(self) -> Self {
        self.clamp(Self::EARLIEST, Self::LATEST)
    }

    /// Returns the whole seconds since the epoch, rounded up, so that a time given in seconds is never too
    /// early.
    #[must_use]
    pub fn ceil_seconds(self) -> i64 {
        self.0.div_euclid(1000) + i64::from(self.0.rem_euclid(1000) > 0)
    }

    /// Returns the day in UTC as RFC 3339 writes it (`2025-01-01`), for the nearest time that it can write.
    #[must_use]
    pub fn date(self) -> String {
        self.civil().date().to_string()
    }

    /// Returns the date and the time of day in UTC. `jiff::Timestamp` ends a day before the year 9999 does, so the
    /// milliseconds are added to the civil time of the epoch.
    fn civil(self) -> jiff::civil::DateTime {
        const EPOCH: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        EPOCH.saturating_add(jiff::SignedDuration::from_millis(self.clamped().0))
    }
}

/// Writes RFC 3339 in UTC, with milliseconds if there are any, for the nearest time that it can write.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.civil(), f)?;
        f.write_str("Z")
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
    /// Wall time, for expiry and for display.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        for (millis, text, day) in [
            (0, "1970-01-01T00:00:00Z", "1970-01-01"),
            (-1, "1969-12-31T23:59:59.999Z", "1969-12-31"),
            (1_767_225_600_500, "2026-01-01T00:00:00.5Z", "2026-01-01"),
            (Timestamp::EARLIEST.0, "0001-01-01T00:00:00Z", "0001-01-01"),
            (Timestamp::LATEST.0, "9999-12-31T23:59:59.999Z", "9999-12-31"),
        ] {
            let time = Timestamp(millis);
            assert_eq!((time.to_string().as_str(), time.date().as_str()), (text, day));
        }
    }

    #[test]
    fn a_time_out_of_range_is_written_as_the_nearest() {
        for (millis, nearest) in [
            (i64::MIN, Timestamp::EARLIEST),
            (Timestamp::EARLIEST.0 - 1, Timestamp::EARLIEST),
            (Timestamp::LATEST.0 + 1, Timestamp::LATEST),
            (i64::MAX, Timestamp::LATEST),
        ] {
            let time = Timestamp(millis);
            assert_eq!((time.clamped(), time.to_string()), (nearest, nearest.to_string()));
            assert_eq!(time.date(), nearest.date());
        }
    }

    #[test]
    fn a_sum_is_checked_to_the_millisecond() {
        let last = Duration::from_millis(u64::try_from(Timestamp::LATEST.0).unwrap());
        assert_eq!(Timestamp(0).checked_plus(last), Some(Timestamp::LATEST));
        assert_eq!(Timestamp(1).checked_plus(last), None);
        assert_eq!(Timestamp(0).checked_plus(LONGEST_DURATION), None);
        assert_eq!(Timestamp(0).checked_plus(Duration::MAX), None);
        assert_eq!(Timestamp(i64::MAX).checked_plus(Duration::ZERO), None);
        assert_eq!(Timestamp(i64::MAX).plus(Duration::MAX), Timestamp(i64::MAX));
    }
}
