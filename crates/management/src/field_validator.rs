//! Collection of all field violations of a request, and checks that several requests share.

mod limits;

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use latchkey_core::choices::not_one_of;
use latchkey_core::error::{FieldViolation, RequestError};
use latchkey_core::excerpt::Quoted;
use latchkey_core::network;
use latchkey_core::time::Timestamp;
use latchkey_core::visible::is_visible;

use crate::counts::{MOST_DESCRIBED, MOST_DESCRIBED_BEFORE, too_many};

/// Largest size of a map of labels in bytes, names and values together: a page of a hundred keys then fits into the 4 MiB
/// that clients of gRPC receive by default.
const MAX_LABEL_BYTES: usize = 16 * 1024;
/// Largest number of entries of a map of labels.
pub(super) const MAX_LABELS: usize = 64;

/// Violations of one request, each with the path of its field.
pub(super) struct FieldValidator<'a> {
    prefix: &'a str,
    violations: Vec<FieldViolation>,
    /// True if the request has so many violations elsewhere that choices are left out.
    is_brief: bool,
}

impl<'a> FieldValidator<'a> {
    /// Creates a validator of fields below a path (`keys[2].key.`), or of top-level fields ("").
    pub(super) fn new(prefix: &'a str) -> Self {
        Self { prefix, violations: Vec::new(), is_brief: false }
    }

    /// Creates a validator as [`FieldValidator::new`] does, for a part of a request that has this number of violations before
    /// it.
    pub(super) fn after(prefix: &'a str, violations: usize) -> Self {
        Self { is_brief: violations >= MOST_DESCRIBED_BEFORE, ..Self::new(prefix) }
    }

    /// Returns whether an unknown name is described without the choices. Comparing many wrong names with all choices would
    /// take seconds.
    pub(super) fn is_brief(&self) -> bool {
        self.is_brief || self.violations.len() >= MOST_DESCRIBED
    }

    /// Returns the description of a name that is not one of `known`.
    pub(super) fn unknown<'k>(&self, name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
        if self.is_brief() {
            let name = Quoted(name);
            return format!("{name} is not one of the choices, which are left out after many other mistakes");
        }
        not_one_of(name, known)
    }

    pub(super) fn reject(&mut self, field: &str, description: impl Into<String>) {
        self.violations.push(FieldViolation::new(format!("{}{field}", self.prefix), description));
    }

    /// Adds violations that were found when the request's message was read. Their paths are complete.
    pub(super) fn extend(&mut self, violations: &[FieldViolation]) {
        self.violations.extend_from_slice(violations);
    }

    pub(super) fn into_violations(self) -> Vec<FieldViolation> {
        self.violations
    }

    /// Returns the value of a check that was made elsewhere, or records its violations and returns `None`.
    pub(super) fn collect<T>(&mut self, checked: Result<T, RequestError>) -> Option<T> {
        match checked {
            Ok(value) => return Some(value),
            Err(RequestError::InvalidArgument(violations)) => self.violations.extend(violations),
            Err(other) => self.reject("", other.to_string()),
        }
        None
    }

    /// Returns an error with all violations, if there are any.
    pub(super) fn finish(self) -> Result<(), RequestError> {
        if self.violations.is_empty() { Ok(()) } else { Err(RequestError::InvalidArgument(self.violations)) }
    }

    /// Checks a display name: it must have a visible character. Spaces and invisible characters alone are no
    /// name.
    pub(super) fn name(&mut self, field: &str, text: &str, length: std::ops::RangeInclusive<usize>) {
        self.text(field, text, length);
        // Control characters are reported as such.
        if !text.is_empty() && !text.chars().any(|c| is_visible(c) || c.is_control()) {
            self.reject(field, "must have a visible character: it has spaces or invisible characters alone");
        }
    }

    /// Checks a human-readable text: its length in characters, and that it has no control characters.
    pub(super) fn text(&mut self, field: &str, text: &str, length: std::ops::RangeInclusive<usize>) {
        let count = text.chars().count();
        if !length.contains(&count) {
            let (min, max) = (length.start(), length.end());
            self.reject(field, format!("must have {min} to {max} characters, and has {count}"));
        }
        if text.chars().any(char::is_control) {
            self.reject(field, "must not have control characters");
        }
    }

    /// Checks the time at which a key is to expire: it is in the future, and a message can hold it.
    pub(super) fn expiry(&mut self, field: &str, at: Timestamp, now: Timestamp) {
        if at <= now {
            self.reject(field, format!("{at} is not in the future: it is {now} now"));
        }
        if at > Timestamp::LATEST {
            self.reject(field, format!("must be at most {}", Timestamp::LATEST));
        }
    }

    /// Returns the end of a lifetime that begins now, and checks it as an expiry. Returns `None` if it is too late.
    pub(super) fn lifetime(&mut self, field: &str, ttl: Duration, now: Timestamp) -> Option<Timestamp> {
        let end = now.checked_plus(ttl);
        if let Some(end) = end {
            self.expiry(field, end, now);
        } else {
            let longest = Timestamp::LATEST.0.saturating_sub(now.0) / 1_000;
            let latest = Timestamp::LATEST;
            self.reject(
                field,
                format!("must be at most {longest} seconds, so that the expiry is at most {latest}"),
            );
        }
        end
    }

    /// Checks a map of names to texts with visible characters: at most 64 entries and 16 KiB.
    pub(super) fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        if labels.len() > MAX_LABELS {
            self.reject(field, too_many(MAX_LABELS, labels.len()));
            return;
        }
        for (name, value) in labels {
            let entry = format!("{field}[{}]", Quoted(name));
            if !is_label(name) {
                self.reject(&entry, "a name has 1 to 64 letters, digits, hyphens, dots and underscores");
            }
            self.name(&entry, value, 1..=512);
        }
        let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_LABEL_BYTES {
            let text = format!("must have at most {MAX_LABEL_BYTES} bytes in all, and has {bytes}");
            self.reject(field, text);
        }
    }

    /// Parses CIDR blocks and single addresses.
    pub(super) fn networks(&mut self, field: &str, networks: &[String]) -> Vec<IpNet> {
        if networks.len() > 64 {
            self.reject(field, format!("must have at most 64 networks, and has {}", networks.len()));
            return Vec::new();
        }
        let mut parsed = Vec::new();
        for (n, text) in networks.iter().enumerate() {
            match network::parse(text) {
                Some(network) => parsed.push(network),
                None => self.reject(&format!("{field}[{n}]"), network::EXPECTED),
            }
        }
        parsed
    }
}

fn is_label(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use latchkey_core::time::LONGEST_DURATION;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_500);

    fn violations(fields: FieldValidator<'_>) -> Vec<(String, String)> {
        fields.into_violations().into_iter().map(|v| (v.field, v.description)).collect()
    }

    #[test]
    fn an_expiry_is_in_the_future_and_at_most_in_the_year_9999() {
        let check = |at| {
            let mut fields = FieldValidator::new("keys[2].");
            fields.expiry("expire_time", at, NOW);
            violations(fields)
        };
        assert_eq!(check(Timestamp(NOW.0 + 1)), []);
        assert_eq!(check(Timestamp::LATEST), []);
        let past = &check(NOW)[0];
        assert!(
            past.0 == "keys[2].expire_time" && past.1.contains("is not in the future: it is 1970-"),
            "{past:?}"
        );
        let late = ("keys[2].expire_time".to_owned(), "must be at most 9999-12-31T23:59:59.999Z".to_owned());
        assert_eq!(check(Timestamp(Timestamp::LATEST.0 + 1)), std::slice::from_ref(&late));
        assert_eq!(check(Timestamp(i64::MAX)), [late]);
    }

    #[test]
    fn choices_are_left_out_after_many_mistakes() {
        let described = |mut fields: FieldValidator<'_>| {
            for n in 0..20 {
                let text = fields.unknown("gold", ["pro", "starter"]);
                fields.reject(&format!("plans[{n}]"), text);
            }
            violations(fields).iter().filter(|(_, text)| text.contains("pro, starter")).count()
        };
        assert_eq!(described(FieldValidator::new("")), MOST_DESCRIBED);
        assert_eq!(described(FieldValidator::after("keys[63].", 63)), MOST_DESCRIBED);
        assert_eq!(described(FieldValidator::after("keys[64].", 64)), 0);
    }

    #[test]
    fn a_name_has_a_visible_character() {
        let problems = |text: &str| {
            let mut fields = FieldValidator::new("");
            fields.name("name", text, 1..=128);
            violations(fields).len()
        };
        for blank in
            ["   ", "\u{200b}", "\u{a0}\u{2003}", "\u{feff} \u{2060}", "\u{3164}", "\u{2800}", "\u{e0041}"]
        {
            assert_eq!(problems(blank), 1, "{blank:?}");
        }
        for name in ["a", " a ", "Grüße 😀", "\u{200f}שלום", "ゼロ", "é", "-"] {
            assert_eq!(problems(name), 0, "{name:?}");
        }
        assert_eq!((problems(""), problems("\t")), (1, 1));
    }

    #[test]
    fn labels_have_at_most_16_kibibytes_in_all() {
        let problems = |entries: usize| {
            let labels = (0..entries).map(|n| (format!("n{n:02}"), "é".repeat(256))).collect();
            let mut fields = FieldValidator::new("");
            fields.labels("metadata", &labels);
            violations(fields).into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        assert_eq!(problems(31), [""; 0]);
        assert_eq!(problems(32), ["metadata"]);
    }

    #[test]
    fn networks_are_stored_in_one_form() {
        let parse = |texts: &[&str]| {
            let mut fields = FieldValidator::new("");
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let networks: Vec<String> =
                fields.networks("networks", &texts).iter().map(ToString::to_string).collect();
            (networks, violations(fields).len())
        };
        let mapped = ["::ffff:10.1.0.0/112", "::ffff:192.0.2.7", "2001:db8::1/32", "10.9.9.9/8"];
        let stored = ["10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32", "10.0.0.0/8"];
        assert_eq!(parse(&mapped), (stored.map(str::to_owned).to_vec(), 0));
        assert_eq!(parse(&["::ffff:0:0/90", "x"]).1, 2);
        assert_eq!(parse(&["x"; 65]).1, 1, "too many are one mistake");
    }

    #[test]
    fn a_lifetime_ends_at_most_in_the_year_9999() {
        let check = |ttl| {
            let mut fields = FieldValidator::new("");
            let end = fields.lifetime("ttl", ttl, NOW);
            (end, violations(fields))
        };
        assert_eq!(check(Duration::from_secs(1)), (Some(Timestamp(1_001_500)), Vec::new()));
        let longest = Duration::from_secs(253_402_299_799);
        assert_eq!(check(longest), (Some(Timestamp(253_402_300_799_500)), Vec::new()));
        for ttl in [longest + Duration::from_secs(1), LONGEST_DURATION, Duration::MAX] {
            let (end, violations) = check(ttl);
            assert_eq!((end, violations[0].0.as_str()), (None, "ttl"));
            assert!(violations[0].1.contains("at most 253402299799 seconds"), "{violations:?}");
        }
        let past = &check(Duration::ZERO).1[0];
        assert!(past.0 == "ttl" && past.1.contains("is not in the future"), "{past:?}");
    }
}
