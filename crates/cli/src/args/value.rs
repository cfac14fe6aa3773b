//! Parsers of single values of the command line.

use latchkey_proto::v1::AuditAnchor;
use prost_types::{Duration, Timestamp};

/// Parses `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write NAME=VALUE".to_owned()),
    }
}

/// Range of `google.protobuf.Timestamp` in seconds: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Largest number of seconds of a `google.protobuf.Duration`.
const LONGEST_SPAN: i64 = 315_576_000_000;

/// Parses a time in RFC 3339, or a day.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let remedy = |_| "write a time such as 2027-01-31T12:00:00Z, or a day".to_owned();
    let time: Timestamp = whole.parse().map_err(remedy)?;
    if TIMESTAMP_SECONDS.contains(&time.seconds) {
        Ok(time)
    } else {
        Err("write a time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z".to_owned())
    }
}

/// Parses a time in RFC 3339, a day, or an age such as `24h`, which is counted back from now.
pub(super) fn past(text: &str) -> Result<Timestamp, String> {
    let remedy = |other: String| format!("{other}, or an age such as 24h or 30d");
    let Ok(age) = span(text) else { return time(text).map_err(remedy) };
    let seconds = latchkey_server::unix_seconds().saturating_sub(age.seconds);
    let of_year_1 = || remedy("write a time from 0001-01-01T00:00:00Z on".to_owned());
    let is_time = TIMESTAMP_SECONDS.contains(&seconds);
    is_time.then_some(Timestamp { seconds, nanos: 0 }).ok_or_else(of_year_1)
}

/// Parses a span: `90s`, `15m`, `24h` or `30d`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let remedy = || "write a span such as 90s, 15m, 24h or 30d".to_owned();
    let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(remedy)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(remedy()),
    };
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(remedy());
    }
    let seconds = count.parse::<i64>().ok().and_then(|count| count.checked_mul(unit));
    match seconds.filter(|seconds| *seconds <= LONGEST_SPAN) {
        Some(seconds) => Ok(Duration { seconds, nanos: 0 }),
        None => Err(format!("write a span of at most {LONGEST_SPAN}s, or {}d", LONGEST_SPAN / 86_400)),
    }
}

/// Parses a number of minutes.
pub(super) fn minutes(text: &str) -> Result<i32, String> {
    let number = text.parse().ok().filter(|number| (1..=60).contains(number));
    number.ok_or_else(|| "write a number of minutes from 1 to 60".to_owned())
}

/// Parses `SEQUENCE:HASH`, with the hash in 64 hexadecimal digits.
pub(super) fn anchor(text: &str) -> Result<AuditAnchor, String> {
    let remedy = || "write SEQUENCE:HASH, the hash in 64 hexadecimal digits".to_owned();
    let (sequence, digits) = text.split_once([':', ' ']).ok_or_else(remedy)?;
    let hash = hexadecimal(digits).filter(|hash| hash.len() == 32).ok_or_else(remedy)?;
    Ok(AuditAnchor { sequence: sequence.parse().map_err(|_| remedy())?, hash })
}

/// Returns the bytes of a text of hexadecimal digits; `None` for another text.
pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_have_no_sign_and_are_pairs() {
        assert_eq!(hexadecimal("0aF0"), Some(vec![0x0a, 0xf0]));
        for bad in ["+a", "-1", "0", "0a1", "0g", " 0"] {
            assert_eq!(hexadecimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span("24h").map(|d| d.seconds), Ok(86_400));
        assert_eq!(span("0s").map(|d| d.seconds), Ok(0));
        for bad in ["", "24", "h", "-1h", "1.5h", "1w", "1é"] {
            assert!(span(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_time_in_the_past_can_be_an_age() {
        let ago = |text| past(text).map(|time| latchkey_server::unix_seconds() - time.seconds);
        for (text, seconds) in [("0s", 0), ("15m", 900), ("1h", 3_600), ("30d", 2_592_000)] {
            assert!(
                ago(text).is_ok_and(|age| (seconds..seconds + 60).contains(&age)),
                "{text}: {:?}",
                ago(text)
            );
        }
        assert_eq!(past("2027-01-31"), time("2027-01-31"));
        for bad in ["", "1", "-1h", "1w", "315576000000s", "soon"] {
            assert!(past(bad).is_err_and(|remedy| remedy.ends_with("an age such as 24h or 30d")), "{bad:?}");
        }
    }

    #[test]
    fn minutes_are_a_number_of_an_hour() {
        assert_eq!((minutes("1"), minutes("60")), (Ok(1), Ok(60)));
        for bad in ["0", "61", "-1", "5m", "1.5", ""] {
            assert!(minutes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_span_has_at_most_10_000_years() {
        assert_eq!(span("315576000000s").map(|d| d.seconds), Ok(LONGEST_SPAN));
        assert_eq!(span("3652500d").map(|d| d.seconds), Ok(LONGEST_SPAN));
        for long in ["315576000001s", "3652501d", "9223372036854775807d", "99999999999999999999s"] {
            let error = span(long).unwrap_err();
            assert_eq!(error, "write a span of at most 315576000000s, or 3652500d", "{long}");
        }
    }

    #[test]
    fn a_time_is_from_the_year_1_to_the_year_9999() {
        for valid in ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999999999Z"] {
            assert!(time(valid).is_ok(), "{valid}");
        }
        for bad in [
            "+10000-01-01T00:00:00Z",
            "+292277026596-12-04T15:30:07Z",
            "9999-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+01:00",
            "0000-12-31",
            "-0001-01-01T00:00:00Z",
        ] {
            assert!(time(bad).unwrap_err().contains("9999-12-31T23:59:59.999999999Z"), "{bad}");
        }
    }

    #[test]
    fn a_time_may_be_a_day() {
        assert_eq!(time("2027-01-31"), time("2027-01-31T00:00:00Z"));
        assert!(time("tomorrow").is_err());
    }

    #[test]
    fn a_value_may_have_an_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }

    #[test]
    fn an_anchor_is_a_place_and_a_whole_hash() {
        let hash = "0a".repeat(32);
        let whole = Ok(AuditAnchor { sequence: 7, hash: vec![10; 32] });
        assert_eq!(anchor(&format!("7:{hash}")), whole);
        assert_eq!(anchor(&format!("7 {hash}")), whole, "as the server's file has it");
        for bad in ["", "7", "7:", "7:0a", &format!("x:{hash}"), &format!("7:{hash}0"), &format!("7:g{hash}")]
        {
            assert!(anchor(bad).is_err(), "{bad:?}");
        }
    }
}
