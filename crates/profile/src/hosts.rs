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
        let not_a_host =
            || format!("\"{text}\" is not a host; write \"api.example.dev\", \"*.example.dev\" or \"*\"");
        if text == "*" {
            return Ok(Self::Any);
        }
        let (subdomains, plain) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        if plain.rsplit_once(':').is_some_and(|(host, _)| !host.starts_with('[') || host.ends_with(']')) {
            return Err(format!("\"{text}\" has a port; write the host alone"));
        }
        let name = canonical_host(plain).ok_or_else(not_a_host)?;
        if subdomains && name.starts_with('[') {
            return Err(not_a_host());
        }
        Ok(if subdomains { Self::Subdomains(format!(".{name}").into()) } else { Self::Exact(name.into()) })
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

/// Longest name of a host and longest label of it, in bytes (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Classes of bytes in a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HostByte {
    /// A part of a label.
    Label,
    /// A part of a label that has a canonical form of its own.
    Upper,
    Dot,
    Other,
}

static HOST_BYTES: [HostByte; 256] = {
    let (mut classes, mut byte) = ([HostByte::Other; 256], 0u8);
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => HostByte::Label,
            b'A'..=b'Z' => HostByte::Upper,
            b'.' => HostByte::Dot,
            _ => HostByte::Other,
        };
        byte += 1;
    }
    classes
};

/// Returns the host of a `Host` header in canonical form: lower case, without its port and without one dot at its
/// end. Returns `None` for a text that is not labels or an address in brackets, with or without a port of digits. A
/// proxy may compare such a text as a whole, and choose another host than its parts suggest.
pub(crate) fn canonical_host(raw: &str) -> Option<Cow<'_, str>> {
    if let Some(rest) = raw.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
            .then(|| Cow::Owned(format!("[{address}]")));
    }
    let (mut label, mut upper, mut end) = (0, false, raw.len());
    for (at, byte) in raw.bytes().enumerate() {
        match HOST_BYTES[usize::from(byte)] {
            HostByte::Label => label += 1,
            HostByte::Upper => (label, upper) = (label + 1, true),
            HostByte::Dot if (1..=MAX_LABEL_BYTES).contains(&label) => label = 0,
            HostByte::Other if byte == b':' && is_port(&raw[at + 1..]) => {
                end = at;
                break;
            }
            HostByte::Dot | HostByte::Other => return None,
        }
    }
    let host = &raw[..end];
    let host = if label == 0 { host.strip_suffix('.')? } else { host };
    if label > MAX_LABEL_BYTES || host.len() > MAX_HOST_BYTES {
        return None;
    }
    Some(if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) })
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
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
    fn a_host_has_one_canonical_form() {
        for (raw, canonical) in [
            ("API.paykore.dev", "api.paykore.dev"),
            ("api.paykore.dev:443", "api.paykore.dev"),
            ("api.paykore.dev.:8443", "api.paykore.dev"),
            ("api.paykore.dev.", "api.paykore.dev"),
            ("my_service-1", "my_service-1"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[0:0::1]", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(canonical_host(raw).as_deref(), Some(canonical), "{raw}");
        }
    }

    #[test]
    fn a_text_that_proxies_read_as_different_hosts_is_none() {
        let long = format!("{}.dev", "a".repeat(64));
        let longer = "a.".repeat(127) + "dev";
        for raw in [
            "",
            ".",
            ":80",
            ".api.dev",
            "api..dev",
            "api.dev..",
            "api.dev..:80",
            "api.dev:",
            "api.dev:80:80",
            "api.dev:.other.dev",
            "api.dev:80.other.dev",
            "x.api.dev:80@other.dev",
            "user@api.dev",
            "api.dev:+80",
            "api.dev:70000",
            "api.dev:123456",
            "api.dev:٣",
            "api.dev/x",
            "api.dev?x",
            "api.dev#x",
            "api.dev\\x",
            "api.dev ",
            " api.dev",
            "api dev",
            "api.dev,other.dev",
            "api%2edev",
            "api.dev\u{0}",
            "api.dev\t",
            "café.dev",
            "*.api.dev",
            "::1",
            "[::1",
            "[::1]x",
            "[::1].dev",
            "[::1]:",
            "[::1]:80:80",
            "[::1%25eth0]",
            "[v1.x]",
            "[127.0.0.1]",
            &long,
            &longer,
        ] {
            assert_eq!(canonical_host(raw), None, "{raw:?}");
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
