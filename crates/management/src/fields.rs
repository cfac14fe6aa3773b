//! Collects what is wrong with a request, all of it, and the checks that several requests share.

use std::collections::BTreeMap;

use ipnet::IpNet;
use latchkey_core::limit::{Overrides, Per, parse_key_limit, parse_tenant_limits};
use latchkey_core::policy::Policy;
use latchkey_core::trouble::{Refusal, Violation};

/// Violations of one request, each under its field's path.
pub(super) struct Fields<'a> {
    within: &'a str,
    wrong: Vec<Violation>,
}

impl<'a> Fields<'a> {
    /// Of fields within a path (`keys[2].key.`), or of none ("").
    pub(super) fn within(within: &'a str) -> Self {
        Self { within, wrong: Vec::new() }
    }

    pub(super) fn wrong(&mut self, field: &str, description: impl Into<String>) {
        self.wrong.push(Violation::new(format!("{}{field}", self.within), description));
    }

    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.wrong
    }

    /// What a check of its own came to; what it found wrong is told with the rest.
    pub(super) fn judge<T>(&mut self, checked: Result<T, Refusal>) -> Option<T> {
        match checked {
            Ok(value) => return Some(value),
            Err(Refusal::Invalid(violations)) => self.wrong.extend(violations),
            Err(other) => self.wrong("", other.to_string()),
        }
        None
    }

    /// Nothing is wrong, or everything that is.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.wrong)) }
    }

    /// A text for people: of this length in characters, without control characters.
    pub(super) fn text(&mut self, field: &str, text: &str, length: std::ops::RangeInclusive<usize>) {
        let count = text.chars().count();
        if !length.contains(&count) {
            let (least, most) = (length.start(), length.end());
            self.wrong(field, format!("must have {least} to {most} characters, and has {count}"));
        }
        if text.chars().any(char::is_control) {
            self.wrong(field, "must not have control characters");
        }
    }

    /// Names with texts: at most 64.
    pub(super) fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        if labels.len() > 64 {
            self.wrong(field, format!("must have at most 64 entries, and has {}", labels.len()));
        }
        for (name, value) in labels {
            if !is_label(name) {
                let rule = "a name has 1 to 64 letters, digits, hyphens, dots and underscores";
                self.wrong(&format!("{field}[{name:?}]"), rule);
            }
            self.text(&format!("{field}[{name:?}]"), value, 1..=512);
        }
    }

    /// CIDR blocks or single addresses.
    pub(super) fn networks(&mut self, field: &str, networks: &[String]) -> Vec<IpNet> {
        if networks.len() > 64 {
            self.wrong(field, format!("must have at most 64 networks, and has {}", networks.len()));
        }
        let mut read = Vec::new();
        for (n, text) in networks.iter().enumerate() {
            let single = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
            match text.parse::<IpNet>().ok().or_else(single) {
                Some(network) => read.push(network.trunc()),
                None => {
                    self.wrong(&format!("{field}[{n}]"), "must be a CIDR block, such as 192.0.2.0/24");
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
    ) -> Overrides {
        self.limits(field, limits, policy, |text| parse_key_limit(text).map(|limit| vec![(Per::Key, limit)]))
    }

    /// A tenant's limits, by class.
    pub(super) fn tenant_limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
    ) -> Overrides {
        self.limits(field, limits, policy, parse_tenant_limits)
    }

    fn limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
        parse: impl Fn(&str) -> Result<Vec<(Per, latchkey_core::limit::Limit)>, latchkey_core::limit::BadLimit>,
    ) -> Overrides {
        let mut read = Overrides::default();
        for (class, text) in limits {
            let field = format!("{field}[{class:?}]");
            if policy.classes.find(class).is_none() {
                self.wrong(&field, "the profile has no such rate class");
            }
            match parse(text) {
                Ok(limits) => drop(read.0.insert(class.as_str().into(), limits)),
                Err(error) => self.wrong(&field, error.to_string()),
            }
        }
        read
    }
}

fn is_label(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
