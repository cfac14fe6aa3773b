//! Host patterns and a map from them: exact names, `*.example.dev` for all subdomains of a name, `*` for all hosts.

mod canonical;

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv6Addr;

pub(crate) use self::canonical::canonical_host;
use self::canonical::{bracketed, is_port};

/// A host as a document writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// A single host.
    Exact(Box<str>),
    /// All subdomains of a name (`.example.dev`).
    Subdomains(Box<str>),
    /// Every host.
    Any,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Returns the description of the mistake if the text is not a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let not_a_host =
            || format!("\"{text}\" is not a host; write \"api.example.dev\", \"*.example.dev\" or \"*\"");
        if text == "*" {
            return Ok(Self::Any);
        }
        let (subdomains, plain) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        if plain.parse::<Ipv6Addr>().is_ok() {
            return Err(format!("\"{text}\" has no brackets; write \"[{plain}]\""));
        }
        if plain.rsplit_once(':').is_some_and(|(host, port)| ends_host(host) && is_port(port)) {
            return Err(format!("\"{text}\" has a port; write the host alone"));
        }
        let address = bracketed(plain);
        let host = address.as_deref().or_else(|| plain.strip_suffix('.')).unwrap_or(plain);
        let name = canonical_host(host).ok_or_else(not_a_host)?;
        if subdomains && name.starts_with('[') {
            return Err(not_a_host());
        }
        Ok(if subdomains { Self::Subdomains(format!(".{name}").into()) } else { Self::Exact(name.into()) })
    }
}

/// Returns true if a port may follow: the text is an address in brackets, or has no colon.
fn ends_host(text: &str) -> bool {
    text.ends_with(']') || !text.contains(':')
}

impl HostPattern {
    /// Returns true if this pattern matches every host that `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::Exact(_), Self::Subdomains(_)) => false,
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Subdomains(subdomains), Self::Exact(name) | Self::Subdomains(name)) => {
                name.ends_with(&**subdomains)
            }
        }
    }
}

/// Writes the pattern as a document does.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Subdomains(name) => write!(f, "*{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// Values by host pattern. The cost of a lookup grows with the labels of the host, not with the number of patterns.
#[derive(Clone, Debug)]
pub(crate) struct HostMap<T> {
    exact: HashMap<Box<str>, T, foldhash::fast::RandomState>,
    subdomains: HashMap<Box<str>, T, foldhash::fast::RandomState>,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), subdomains: HashMap::default(), any: None }
    }
}

impl<T> HostMap<T> {
    /// Adds the value of a pattern. Returns false and changes nothing if the pattern has a value already.
    pub(crate) fn add(&mut self, pattern: HostPattern, value: T) -> bool {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        let entry = match pattern {
            HostPattern::Exact(name) => self.exact.entry(name),
            HostPattern::Subdomains(name) => self.subdomains.entry(name),
            HostPattern::Any => {
                let free = self.any.is_none();
                self.any.get_or_insert(value);
                return free;
            }
        };
        match entry {
            Vacant(entry) => {
                entry.insert(value);
                true
            }
            Occupied(_) => false,
        }
    }

    /// Returns true if the map has no patterns.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.subdomains.is_empty() && self.any.is_none()
    }

    /// Returns all patterns.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = HostPattern> {
        self.entries().map(|(pattern, _)| pattern)
    }

    /// Returns all patterns with their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (HostPattern, &T)> {
        let exact = self.exact.iter().map(|(name, value)| (HostPattern::Exact(name.clone()), value));
        let subdomains =
            self.subdomains.iter().map(|(name, value)| (HostPattern::Subdomains(name.clone()), value));
        exact.chain(subdomains).chain(self.any.as_ref().map(|value| (HostPattern::Any, value)))
    }

    /// Returns the values of all patterns that match a canonical host, the most specific pattern first.
    pub(crate) fn matching<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a T> {
        // Most documents list exact hosts; the host is searched for dots only if there are subdomain patterns.
        let labels = if self.subdomains.is_empty() { "" } else { host };
        let dots = labels.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
        let subdomains = dots.filter_map(|at| self.subdomains.get(&host[at..]));
        self.exact.get(host).into_iter().chain(subdomains).chain(&self.any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_pattern_is_first() {
        let mut map = HostMap::default();
        for (n, text) in ["*", "*.dev", "*.a.dev", "b.a.dev"].iter().enumerate() {
            assert!(map.add(HostPattern::parse(text).unwrap(), n));
        }
        assert!(!map.add(HostPattern::parse("*.A.dev").unwrap(), 9));
        let matching = |host| map.matching(host).copied().collect::<Vec<_>>();
        assert_eq!(matching("b.a.dev"), [3, 2, 1, 0]);
        assert_eq!(matching("a.dev"), [1, 0]);
        assert_eq!(matching("xa.dev"), [1, 0]);
        assert_eq!(matching("com"), [0]);
        assert_eq!(matching(".dev"), [0]);
    }

    #[test]
    fn a_text_that_is_not_a_host_is_rejected() {
        for text in
            ["", "a b", "a.*.dev", "*a.dev", "https://a.dev", "a.dev:443", "a..dev", "*..", "[zz]", "*.[::1]"]
        {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
        for (text, expected) in [
            ("a.dev:443", "has a port"),
            ("[::1]:443", "has a port"),
            ("::1", "has no brackets; write \"[::1]\""),
            ("http://a.dev", "is not a host"),
            ("http://a.dev:80", "is not a host"),
        ] {
            let error = HostPattern::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(HostPattern::parse("A.dev."), Ok(HostPattern::Exact("a.dev".into())));
        assert_eq!(HostPattern::parse("[0:0::1]"), Ok(HostPattern::Exact("[::1]".into())));
    }
}
