//! Host patterns and a map from them: exact names, `*.example.dev` for all subdomains of a name, `*` for all hosts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

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
        let name = canonical_host(text);
        if name.len() != text.trim_end_matches('.').len() {
            return Err(format!("\"{text}\" has a port; write the host alone"));
        }
        if name == "*" {
            return Ok(Self::Any);
        }
        let (subdomains, plain) = name.strip_prefix("*.").map_or((false, &*name), |rest| (true, rest));
        let address = plain.strip_prefix('[').and_then(|p| p.strip_suffix(']'));
        let valid = address.is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok() && !subdomains);
        if !valid && !is_host(plain) {
            return Err(format!(
                "\"{text}\" is not a host; write \"api.example.dev\", \"*.example.dev\" or \"*\""
            ));
        }
        Ok(if subdomains { Self::Subdomains(name[1..].into()) } else { Self::Exact(plain.into()) })
    }
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

fn is_host(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Bytes that occur in canonical hosts, by their value.
static CANONICAL_BYTES: [bool; 256] = {
    let (mut canonical, mut byte) = ([false; 256], 0u8);
    while byte < 0x80 {
        canonical[byte as usize] = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        byte += 1;
    }
    canonical
};

/// Returns a host in canonical form: lower case, without its port and without the dot at its end.
pub(crate) fn canonical_host(raw: &str) -> Cow<'_, str> {
    // Most hosts are canonical already.
    if raw.bytes().all(|byte| CANONICAL_BYTES[usize::from(byte)]) && !raw.ends_with('.') {
        return Cow::Borrowed(raw);
    }
    let bare = match (raw.rfind(':'), raw.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|b| b < colon) => &raw[..colon],
        (Some(_) | None, _) => raw,
    };
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    if bare.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(bare.to_ascii_lowercase())
    } else {
        Cow::Borrowed(bare)
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
        let exact = self.exact.keys().cloned().map(HostPattern::Exact);
        let subdomains = self.subdomains.keys().cloned().map(HostPattern::Subdomains);
        exact.chain(subdomains).chain(self.any.as_ref().map(|_| HostPattern::Any))
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
    fn a_host_has_one_canonical_form() {
        for (raw, canonical) in [
            ("API.paykore.dev", "api.paykore.dev"),
            ("api.paykore.dev:443", "api.paykore.dev"),
            ("api.paykore.dev.:8443", "api.paykore.dev"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(canonical_host(raw), canonical, "{raw}");
        }
    }

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
        assert_eq!(HostPattern::parse("A.dev."), Ok(HostPattern::Exact("a.dev".into())));
    }
}
