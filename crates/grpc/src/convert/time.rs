//! Conversion of timestamps and durations. Messages have seconds and nanoseconds, the domain's timestamps have
//! milliseconds. A value of a request that the well-known types do not allow (the year 10000, too many nanoseconds) is
//! a violation and is never clamped. A value of a response is clamped, so that whatever is stored can be sent.

use std::time::Duration;

use latchkey_core::time::{LONGEST_DURATION, Timestamp};

use super::Violations;

/// Range of `google.protobuf.Timestamp` in seconds: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> =
    Timestamp::EARLIEST.0 / 1_000..=Timestamp::LATEST.0 / 1_000;

const NANOS: i32 = 1_000_000_000;

/// Converts a timestamp from a message. Fractions of a millisecond are cut off.
pub(crate) fn timestamp_from_proto(
    field: &str,
    time: Option<prost_types::Timestamp>,
    violations: &mut Violations,
) -> Option<Timestamp> {
    let time = time?;
    if !TIMESTAMP_SECONDS.contains(&time.seconds) || !(0..NANOS).contains(&time.nanos) {
        let rule = "must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z, \
                    with 0 to 999,999,999 nanoseconds";
        violations.add(field, rule);
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
    let seconds = u64::try_from(duration.seconds).ok().filter(|s| *s <= LONGEST_DURATION.as_secs());
    let nanos = u32::try_from(duration.nanos).ok().filter(|_| duration.nanos < NANOS);
    if let (Some(seconds), Some(nanos)) = (seconds, nanos) {
        return Some(Duration::new(seconds, nanos));
    }
    violations.add(field, "must be from 0 to 315,576,000,000 seconds, with 0 to 999,999,999 nanoseconds");
    None
}

/// Converts a timestamp to its message. A time out of range becomes the nearest one that a message can hold.
pub(crate) fn timestamp_to_proto(time: Timestamp) -> prost_types::Timestamp {
    let millis = time.clamped().0;
    let nanos = i32::try_from(millis.rem_euclid(1_000)).unwrap_or_default() * 1_000_000;
    prost_types::Timestamp { seconds: millis.div_euclid(1_000), nanos }
}

/// Converts a duration to its message. A longer duration than a message can hold becomes the longest one.
pub(crate) fn duration_to_proto(duration: Duration) -> prost_types::Duration {
    let duration = duration.min(LONGEST_DURATION);
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default() }
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
    fn timestamps_before_the_year_1_are_violations() {
        assert_eq!(read_timestamp(-62_135_596_800, 0), Some(Timestamp::EARLIEST));
        assert_eq!(read_timestamp(-62_135_596_801, 999_999_999), None);
    }

    #[test]
    fn a_time_that_no_message_can_hold_is_sent_as_the_nearest() {
        for (millis, seconds, nanos) in [
            (i64::MAX, 253_402_300_799, 999_000_000),
            (Timestamp::LATEST.0 + 1, 253_402_300_799, 999_000_000),
            (Timestamp::EARLIEST.0 - 1, -62_135_596_800, 0),
            (i64::MIN, -62_135_596_800, 0),
        ] {
            let message = timestamp_to_proto(Timestamp(millis));
            assert_eq!((message.seconds, message.nanos), (seconds, nanos));
            assert!(read_timestamp(seconds, nanos).is_some());
        }
    }

    #[test]
    fn durations_are_never_negative() {
        assert_eq!(read_duration(90, 5), Some(Duration::new(90, 5)));
        assert_eq!(read_duration(-1, 0), None);
        assert_eq!(read_duration(0, -1), None);
        assert_eq!(read_duration(-1, 1), None);
        assert_eq!(read_duration(1, -1), None);
        assert_eq!(read_duration(1, NANOS), None);
    }

    #[test]
    fn durations_have_at_most_10_000_years() {
        assert_eq!(read_duration(315_576_000_000, 0), Some(LONGEST_DURATION));
        assert_eq!(read_duration(315_576_000_001, 0), None);
        assert_eq!(read_duration(i64::MAX, 0), None);
        assert_eq!(read_duration(i64::MIN, 0), None);
        for long in [LONGEST_DURATION, Duration::MAX] {
            let message = duration_to_proto(long);
            assert_eq!((message.seconds, message.nanos), (315_576_000_000, 0));
        }
    }

    #[test]
    fn a_violation_says_the_largest_value() {
        let mut violations = Violations::default();
        let time = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        timestamp_from_proto("t", Some(time), &mut violations);
        let duration = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
        duration_from_proto("d", Some(duration), &mut violations);
        let all: Vec<_> =
            violations.into_violations().into_iter().map(|v| (v.field, v.description)).collect();
        assert!(all[0].0 == "t" && all[0].1.contains("9999-12-31T23:59:59.999999999Z"), "{all:?}");
        assert!(all[1].0 == "d" && all[1].1.contains("315,576,000,000 seconds"), "{all:?}");
    }
}
