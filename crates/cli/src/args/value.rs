//! Parsers of single values of the command line.

use latchkey_proto::v1::AuditAnchor;
use prost_types::{Duration, Timestamp};

/// `name=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write NAME=VALUE".to_owned()),
    }
}

/// RFC 3339, or a day.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "write a time such as 2027-01-31T12:00:00Z, or a day".to_owned())
}

/// `90s`, `15m`, `24h`, `30d`.
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
    let seconds = count.parse::<u32>().ok().and_then(|count| i64::from(count).checked_mul(unit));
    Ok(Duration { seconds: seconds.ok_or_else(remedy)?, nanos: 0 })
}

/// `SEQUENCE:HASH`, the hash in 64 hexadecimal digits.
pub(super) fn anchor(text: &str) -> Result<AuditAnchor, String> {
    let remedy = || "write SEQUENCE:HASH, the hash in 64 hexadecimal digits".to_owned();
    let (sequence, digits) = text.split_once([':', ' ']).ok_or_else(remedy)?;
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let hash: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>().ok_or_else(remedy)?;
    if hash.len() != 32 || !rest.is_empty() {
        return Err(remedy());
    }
    Ok(AuditAnchor { sequence: sequence.parse().map_err(|_| remedy())?, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span("24h").map(|d| d.seconds), Ok(86_400));
        assert_eq!(span("0s").map(|d| d.seconds), Ok(0));
        for bad in ["", "24", "h", "-1h", "1.5h", "1w", "1é"] {
            assert!(span(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_time_may_be_a_day() {
        assert_eq!(time("2027-01-31"), time("2027-01-31T00:00:00Z"));
        assert!(time("tomorrow").is_err());
    }

    #[test]
    fn a_value_may_hold_the_sign() {
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
