//! Conversion of timestamps and durations. Messages have seconds and nanoseconds, the domain's timestamps have
//! milliseconds. A value that the well-known types do not allow (the year 10000, too many nanoseconds) is a violation
//! and is never clamped.

use std::time::Duration;

use latchkey_core::time::Timestamp;

use super::Violations;

/// Range of `google.protobuf.Timestamp`: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Upper limit of `google.protobuf.Duration`: 10,000 years in seconds.
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

const NANOS: i32 = 1_000_000_000;

/// Converts a timestamp from a message. Fractions of a millisecond are cut off.
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

/// Converts a duration from a message. A negative duration is a violation.
pub(crate) fn duration_from_proto(
    field: &str,
    duration: Option<prost_types::Duration>,
    violations: &mut Violations,
) -> Option<Duration> {
    let duration = duration?;
    let seconds = u64::try_from(duration.seconds).ok().filter(|_| duration.seconds <= MAX_DURATION_SECONDS);
    let nanos = u32::try_from(duration.nanos).ok().filter(|_| duration.nanos < NANOS);
    if let (Some(seconds), Some(nanos)) = (seconds, nanos) {
        return Some(Duration::new(seconds, nanos));
    }
    violations.add(field, "must not be negative, and at most 10,000 years");
    None
}

/// Converts a timestamp to its message.
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
    fn timestamps_survive_a_round_trip() {
        for millis in [0, 1, -1, 1_700_000_000_123, -62_135_596_800_000] {
            let message = timestamp_to_proto(Timestamp(millis));
            assert_eq!(read_timestamp(message.seconds, message.nanos), Some(Timestamp(millis)));
        }
    }

    #[test]
    fn timestamps_out_of_range_are_violations() {
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
