//! Stored form of overriding limits: JSON by rate class, each bucket with its owner. The format is separate
//! from that of profile documents, which may change while rows stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use latchkey_core::limit::{BucketOwner, Limit, LimitOverrides};
use serde::{Deserialize, Serialize};

/// Stored form of one bucket.
#[derive(Serialize, Deserialize)]
struct Bucket {
    per: String,
    tokens: u64,
    period_ms: u64,
    /// The burst; without one, the tokens, which replicas of older versions read as a burst.
    burst: u64,
    /// True for a burst that equals the tokens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    explicit_burst: bool,
    /// True for a limit that replaces none. Replicas of versions before this field drop it when they write the row, and keep
    /// the entry that [`BESIDE`] describes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    beside: bool,
}

/// End of the name of an entry that marks the limits of a class: they replace no others. The entry has no limits itself. No
/// class has a space in its name.
const BESIDE: &str = " beside";

pub(super) fn stored(limits: &LimitOverrides) -> String {
    let bucket = |(per, limit): &(BucketOwner, Limit), beside| Bucket {
        per: per.name().to_owned(),
        tokens: limit.tokens,
        period_ms: u64::try_from(limit.period.as_millis()).unwrap_or(u64::MAX),
        burst: limit.burst.unwrap_or(limit.tokens),
        explicit_burst: limit.burst == Some(limit.tokens),
        beside,
    };
    let mut classes: BTreeMap<String, Vec<Bucket>> = BTreeMap::new();
    for (name, buckets) in &limits.0 {
        let beside = !limits.replaces(name);
        classes.insert(name.to_string(), buckets.iter().map(|one| bucket(one, beside)).collect());
        if beside {
            classes.insert(format!("{name}{BESIDE}"), Vec::new());
        }
    }
    super::json(&classes)
}

/// Stored form of no limits.
pub(crate) const NONE: &str = "{}";

/// Parses stored limits; `None` if the text is invalid.
pub(super) fn read(text: &str) -> Option<LimitOverrides> {
    let classes: BTreeMap<Box<str>, Vec<Bucket>> = serde_json::from_str(text).ok()?;
    let mut limits = BTreeMap::new();
    let mut beside: BTreeSet<Box<str>> = BTreeSet::new();
    for (name, buckets) in classes {
        if let Some(class) = name.strip_suffix(BESIDE) {
            beside.insert(class.into());
        } else {
            if buckets.iter().any(|bucket| bucket.beside) {
                beside.insert(name.clone());
            }
            let buckets: Option<Vec<_>> = buckets.iter().map(bucket).collect();
            limits.insert(name, buckets?);
        }
    }
    beside.retain(|class| limits.contains_key(class));
    Some(LimitOverrides(limits, beside))
}

/// Converts a stored bucket. A limit of zero is invalid, since rates divide by it.
fn bucket(stored: &Bucket) -> Option<(BucketOwner, Limit)> {
    let per = [BucketOwner::Key, BucketOwner::Tenant, BucketOwner::Ip]
        .into_iter()
        .find(|per| per.name() == stored.per)?;
    let counts = stored.tokens > 0 && stored.period_ms > 0 && stored.burst > 0;
    let period = Duration::from_millis(stored.period_ms);
    let has_burst = stored.explicit_burst || stored.burst != stored.tokens;
    let burst = has_burst.then_some(stored.burst);
    counts.then_some((per, Limit { tokens: stored.tokens, period, burst }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_back_as_they_went() {
        let limit = Limit { tokens: 300, period: Duration::from_mins(1), burst: Some(50) };
        let without = Limit { burst: None, ..limit };
        let full = Limit { burst: Some(300), ..limit };
        let all = vec![(BucketOwner::Tenant, limit), (BucketOwner::Key, without), (BucketOwner::Ip, full)];
        let limits = LimitOverrides([("default".into(), all)].into(), BTreeSet::new());
        assert_eq!(read(&stored(&limits)), Some(limits.clone()));
        let beside = LimitOverrides(limits.0, BTreeSet::from(["default".into()]));
        assert_eq!(read(&stored(&beside)), Some(beside));
        assert_eq!(read("{}"), Some(LimitOverrides::default()));
    }

    #[test]
    fn a_version_that_does_not_know_the_mark_keeps_it() {
        #[derive(Serialize, Deserialize)]
        struct OldBucket {
            per: String,
            tokens: u64,
            period_ms: u64,
            burst: u64,
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            explicit_burst: bool,
        }
        let limit = Limit { tokens: 300, period: Duration::from_mins(1), burst: None };
        let all = vec![(BucketOwner::Key, limit)];
        let limits = LimitOverrides(
            [("default".into(), all.clone()), ("search".into(), all)].into(),
            BTreeSet::from(["search".into()]),
        );
        let old: BTreeMap<String, Vec<OldBucket>> = serde_json::from_str(&stored(&limits)).unwrap();
        assert_eq!(read(&serde_json::to_string(&old).unwrap()), Some(limits.clone()));
        let without_mark = stored(&limits).replace(r#","search beside":[]"#, "");
        assert_eq!(read(&without_mark), Some(limits), "as an earlier version wrote it");
        assert_eq!(read(r#"{"search beside":[]}"#), Some(LimitOverrides::default()), "a mark of no limit");
    }

    #[test]
    fn a_text_that_is_no_limit_is_not_read_as_one() {
        let bucket = |per, tokens| {
            format!(r#"{{"default":[{{"per":"{per}","tokens":{tokens},"period_ms":1000,"burst":1}}]}}"#)
        };
        assert!(read(&bucket("key", 1)).is_some());
        for text in [bucket("planet", 1), bucket("key", 0), "[]".into(), String::new(), "{".into()] {
            assert_eq!(read(&text), None, "{text}");
        }
    }
}
