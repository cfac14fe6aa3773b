//! Parser of limits as documents and requests write them: `300/min`, `10/10s`, `300/min burst 50`, and for a
//! tenant `key 20000/min burst 500; tenant 50000/min`.

use std::fmt;
use std::time::Duration;

use super::{BucketOwner, Limit, ceil_seconds};

/// Error of a limit that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitParseError {
    /// The text is not a rate.
    #[error(
        "{0:?} is not a rate: write \"N/s\", \"N/min\", \"N/h\", \"N/d\" or \"N/10s\", with a period of at most 31 days"
    )]
    Rate(String),
    /// The burst is not a number from 1 on.
    #[error("{0:?} is not a burst: write \"burst N\" with N of 1 or more")]
    Burst(String),
    /// The text does not begin with the owner of a bucket.
    #[error("{0:?} names no bucket: write \"key\", \"tenant\" or \"ip\" before the rate")]
    BucketOwner(String),
    /// Two limits are for the same bucket.
    #[error("the {0} bucket is given twice")]
    Duplicate(&'static str),
}

/// Largest number of tokens or burst of a limit. It is enough for any product, and far from overflow.
const MAX_TOKENS: u64 = 1_000_000_000_000;

/// Parses a rate: `N/s`, `N/min`, `N/h`, `N/d`, or several units (`N/10s`, `N/5min`). Returns the tokens and
/// their period.
pub fn parse_rate(text: &str) -> Result<(u64, Duration), LimitParseError> {
    let error = || LimitParseError::Rate(text.to_owned());
    let (tokens, period) = text.trim().split_once('/').ok_or_else(error)?;
    let tokens = number(tokens).ok_or_else(error)?;
    let digits = period.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = period.split_at(digits);
    let count = if count.is_empty() { 1 } else { number(count).ok_or_else(error)? };
    let unit = match unit {
        "s" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => 86_400,
        _ => return Err(error()),
    };
    // Bucket arithmetic is proven for periods of up to 31 days.
    let seconds = count.checked_mul(unit).filter(|s| *s <= 31 * 86_400).ok_or_else(error)?;
    Ok((tokens, Duration::from_secs(seconds)))
}

/// Writes the limit in the form that [`parse_key_limit`] reads.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.tokens)?;
        match ceil_seconds(self.period) {
            1 => f.write_str("s")?,
            60 => f.write_str("min")?,
            3_600 => f.write_str("h")?,
            86_400 => f.write_str("d")?,
            seconds => write!(f, "{seconds}s")?,
        }
        self.burst.map_or(Ok(()), |burst| write!(f, " burst {burst}"))
    }
}

/// Parses `300/min` or `300/min burst 50`. Without a burst, the rate is never exceeded in any period.
pub fn parse_key_limit(text: &str) -> Result<Limit, LimitParseError> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (rate, burst) = match words.as_slice() {
        [rate] => (*rate, None),
        [rate, "burst", burst] => (*rate, Some(*burst)),
        _ => return Err(LimitParseError::Rate(text.to_owned())),
    };
    let (tokens, period) = parse_rate(rate)?;
    let burst = match burst {
        Some(burst) => Some(number(burst).ok_or_else(|| LimitParseError::Burst(burst.to_owned()))?),
        None => None,
    };
    Ok(Limit { tokens, period, burst })
}

/// Parses limits with their owners, separated by semicolons.
pub fn parse_tenant_limits(text: &str) -> Result<Vec<(BucketOwner, Limit)>, LimitParseError> {
    let mut limits: Vec<(BucketOwner, Limit)> = Vec::new();
    for part in text.split(';') {
        let (word, limit) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
        let per = match word {
            "key" => BucketOwner::Key,
            "tenant" => BucketOwner::Tenant,
            "ip" => BucketOwner::Ip,
            other => return Err(LimitParseError::BucketOwner(other.to_owned())),
        };
        if limits.iter().any(|(p, _)| *p == per) {
            return Err(LimitParseError::Duplicate(per.name()));
        }
        limits.push((per, parse_key_limit(limit)?));
    }
    Ok(limits)
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|n| (1..=MAX_TOKENS).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(tokens: u64, seconds: u64, burst: impl Into<Option<u64>>) -> Limit {
        Limit { tokens, period: Duration::from_secs(seconds), burst: burst.into() }
    }

    #[test]
    fn rates_are_parsed() {
        assert_eq!(parse_key_limit("300/min"), Ok(limit(300, 60, None)));
        assert_eq!(parse_key_limit("5000/min burst 500"), Ok(limit(5000, 60, 500)));
        assert_eq!(parse_key_limit("500/10s"), Ok(limit(500, 10, None)));
    }

    #[test]
    fn invalid_limits_are_refused() {
        for text in ["", "300", "0/s", "-1/s", "1/0s", "+1/s", "1/fortnight", "1/min burst 0", "1/min 5"] {
            assert!(parse_key_limit(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_period_has_at_most_31_days() {
        assert_eq!(parse_key_limit("1/31d"), Ok(limit(1, 31 * 86_400, None)));
        for text in ["1/32d", "1/2678401s", "1/99999999999d", "1/18446744073709551615d"] {
            let error = parse_key_limit(text).unwrap_err().to_string();
            assert!(error.contains("at most 31 days"), "{error}");
        }
    }

    #[test]
    fn a_tenant_names_its_buckets() {
        let both = parse_tenant_limits("key 20000/min burst 500; tenant 50000/min").unwrap();
        assert_eq!(
            both,
            [(BucketOwner::Key, limit(20_000, 60, 500)), (BucketOwner::Tenant, limit(50_000, 60, None))]
        );
        assert_eq!(parse_tenant_limits("key 1/s; key 2/s"), Err(LimitParseError::Duplicate("key")));
        assert_eq!(parse_tenant_limits("300/min"), Err(LimitParseError::BucketOwner("300/min".into())));
    }
}
