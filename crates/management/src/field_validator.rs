//! Collects what is wrong with a request, all of it, and the checks that several requests share.

use std::collections::BTreeMap;

use ipnet::IpNet;
use latchkey_core::error::{FieldViolation, RequestError};
use latchkey_core::limit::{BucketOwner, LimitOverrides, parse_key_limit, parse_tenant_limits};
use latchkey_core::policy::Policy;

/// Violations of one request, each under its field's path.
pub(super) struct FieldValidator<'a> {
    prefix: &'a str,
    violations: Vec<FieldViolation>,
}

impl<'a> FieldValidator<'a> {
    /// Of fields within a path (`keys[2].key.`), or of none ("").
    pub(super) fn new(prefix: &'a str) -> Self {
        Self { prefix, violations: Vec::new() }
    }

    pub(super) fn reject(&mut self, field: &str, description: impl Into<String>) {
        self.violations.push(FieldViolation::new(format!("{}{field}", self.prefix), description));
    }

    pub(super) fn into_violations(self) -> Vec<FieldViolation> {
        self.violations
    }

    /// What a check of its own came to; what it found wrong is told with the rest.
    pub(super) fn collect<T>(&mut self, checked: Result<T, RequestError>) -> Option<T> {
        match checked {
            Ok(value) => return Some(value),
            Err(RequestError::InvalidArgument(violations)) => self.violations.extend(violations),
            Err(other) => self.reject("", other.to_string()),
        }
        None
    }

    /// Nothing is wrong, or everything that is.
    pub(super) fn finish(self) -> Result<(), RequestError> {
        if self.violations.is_empty() { Ok(()) } else { Err(RequestError::InvalidArgument(self.violations)) }
    }

    /// A text for people: of this length in characters, without control characters.
    pub(super) fn text(&mut self, field: &str, text: &str, length: std::ops::RangeInclusive<usize>) {
        let count = text.chars().count();
        if !length.contains(&count) {
            let (least, most) = (length.start(), length.end());
            self.reject(field, format!("must have {least} to {most} characters, and has {count}"));
        }
        if text.chars().any(char::is_control) {
            self.reject(field, "must not have control characters");
        }
    }

    /// Names with texts: at most 64.
    pub(super) fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        if labels.len() > 64 {
            self.reject(field, format!("must have at most 64 entries, and has {}", labels.len()));
        }
        for (name, value) in labels {
            if !is_label(name) {
                let rule = "a name has 1 to 64 letters, digits, hyphens, dots and underscores";
                self.reject(&format!("{field}[{name:?}]"), rule);
            }
            self.text(&format!("{field}[{name:?}]"), value, 1..=512);
        }
    }

    /// CIDR blocks or single addresses.
    pub(super) fn networks(&mut self, field: &str, networks: &[String]) -> Vec<IpNet> {
        if networks.len() > 64 {
            self.reject(field, format!("must have at most 64 networks, and has {}", networks.len()));
        }
        let mut read = Vec::new();
        for (n, text) in networks.iter().enumerate() {
            let single = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
            match text.parse::<IpNet>().ok().or_else(single) {
                Some(network) => read.push(network.trunc()),
                None => {
                    self.reject(&format!("{field}[{n}]"), "must be a CIDR block, such as 192.0.2.0/24");
                }
            }
        }
        read
    }

    /// A key's own limits, by class.
    pub(super) fn key_limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
    ) -> LimitOverrides {
        self.limits(field, limits, policy, |text| {
            parse_key_limit(text).map(|limit| vec![(BucketOwner::Key, limit)])
        })
    }

    /// A tenant's limits, by class.
    pub(super) fn tenant_limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
    ) -> LimitOverrides {
        self.limits(field, limits, policy, parse_tenant_limits)
    }

    fn limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
        parse: impl Fn(
            &str,
        ) -> Result<
            Vec<(BucketOwner, latchkey_core::limit::Limit)>,
            latchkey_core::limit::LimitParseError,
        >,
    ) -> LimitOverrides {
        let mut read = LimitOverrides::default();
        for (class, text) in limits {
            let field = format!("{field}[{class:?}]");
            if policy.classes.find(class).is_none() {
                self.reject(&field, "the profile has no such rate class");
            }
            match parse(text) {
                Ok(limits) => drop(read.0.insert(class.as_str().into(), limits)),
                Err(error) => self.reject(&field, error.to_string()),
            }
        }
        read
    }
}

fn is_label(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
