//! Moments and durations. Messages have seconds and nanoseconds, we have milliseconds; what the well-known
//! types don't allow (the year 10000, a nanosecond too many) is named, never clamped.

use std::time::Duration;

use latchkey_core::time::Timestamp;

use super::Violations;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the bounds of `google.protobuf.Timestamp`.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Ten thousand years, the bound of `google.protobuf.Duration`.
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

const NANOS: i32 = 1_000_000_000;

/// A moment from a message, cut to milliseconds.
pub(crate) fn timestamp_from_proto(
    field: &str,
    time: Option<prost_types::Timestamp>,
    violations: &mut Violations,
) -> Option<Timestamp> {
    let time = time?;
    if !TIMESTAMP_SECONDS.contains(&time.seconds) || !(0..NANOS).contains(&time.nanos) {
        violations.add(field, "must be between the years 1 and 9999, with 0 to 999,999,999 nanoseconds");
        return None;
    }
    Some(Timestamp(time.seconds * 1_000 + i64::from(time.nanos / 1_000_000)))
}

/// A duration from a message, which can't be negative.
pub(crate) fn duration_from_proto(
    field: &str,
    length: Option<prost_types::Duration>,
    violations: &mut Violations,
) -> Option<Duration> {
    let length = length?;
    let seconds = u64::try_from(length.seconds).ok().filter(|_| length.seconds <= MAX_DURATION_SECONDS);
    let nanos = u32::try_from(length.nanos).ok().filter(|_| length.nanos < NANOS);
    if let (Some(seconds), Some(nanos)) = (seconds, nanos) {
        return Some(Duration::new(seconds, nanos));
    }
    violations.add(field, "must not be negative, and at most 10,000 years");
    None
}

/// A moment for a message.
pub(crate) fn timestamp_to_proto(time: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(time.0.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
    prost_types::Timestamp { seconds: time.0.div_euclid(1_000), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_timestamp(seconds: i64, nanos: i32) -> Option<Timestamp> {
        let mut violations = Violations::default();
        let read =
            timestamp_from_proto("t", Some(prost_types::Timestamp { seconds, nanos }), &mut violations);
        assert_eq!(read.is_none(), violations.finish().is_err());
        read
    }

    fn read_duration(seconds: i64, nanos: i32) -> Option<Duration> {
        let mut violations = Violations::default();
        let read = duration_from_proto("d", Some(prost_types::Duration { seconds, nanos }), &mut violations);
        assert_eq!(read.is_none(), violations.finish().is_err());
        read
    }

    #[test]
    fn moments_come_back_as_they_went() {
        for millis in [0, 1, -1, 1_700_000_000_123, -62_135_596_800_000] {
            let there = timestamp_to_proto(Timestamp(millis));
            assert_eq!(read_timestamp(there.seconds, there.nanos), Some(Timestamp(millis)));
        }
    }

    #[test]
    fn moments_that_do_not_exist_are_named() {
        assert_eq!(read_timestamp(253_402_300_799, 999_999_999), Some(Timestamp(253_402_300_799_999)));
        assert_eq!(read_timestamp(253_402_300_800, 0), None);
        assert_eq!(read_timestamp(i64::MAX, 0), None);
        assert_eq!(read_timestamp(i64::MIN, 0), None);
        assert_eq!(read_timestamp(0, -1), None);
        assert_eq!(read_timestamp(0, NANOS), None);
    }

    #[test]
    fn durations_are_never_negative() {
        assert_eq!(read_duration(90, 5), Some(Duration::new(90, 5)));
        assert_eq!(read_duration(-1, 0), None);
        assert_eq!(read_duration(0, -1), None);
        assert_eq!(read_duration(1, NANOS), None);
        assert_eq!(read_duration(MAX_DURATION_SECONDS + 1, 0), None);
    }
}
