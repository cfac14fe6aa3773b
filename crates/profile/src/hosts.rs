//! Which host belongs to what: exact names, `*.example.dev` for everything below a name, `*` for all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// A host as a document writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// This one.
    Exact(Box<str>),
    /// Everything below this one (`.example.dev`).
    Subdomains(Box<str>),
    /// Every one.
    Any,
}

impl HostPattern {
    /// Reads a pattern; says what is wrong with it.
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
    /// Whether every host of the other's is one of these.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::Exact(_), Self::Subdomains(_)) => false,
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Subdomains(subdomains), Self::Exact(name) | Self::Subdomains(name)) => {
                name.ends_with(&**subdomains)
            }
        }
    }
}

/// As a document writes it.
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

/// Bytes that are left as they are in every host.
static CANONICAL_BYTES: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0u8);
    while byte < 0x80 {
        plain[byte as usize] = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        byte += 1;
    }
    plain
};

/// A host in one form: lower case, without its port and without the dot at its end.
pub(crate) fn canonical_host(raw: &str) -> Cow<'_, str> {
    // Nearly every host is in it already.
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

/// Patterns and what belongs to them; looking a host up costs by its labels, not by the patterns.
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
    /// Adds what belongs to a pattern; answers whether the pattern was free, and leaves it if not.
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

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.subdomains.is_empty() && self.any.is_none()
    }

    /// Every pattern.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = HostPattern> {
        let exact = self.exact.keys().cloned().map(HostPattern::Exact);
        let subdomains = self.subdomains.keys().cloned().map(HostPattern::Subdomains);
        exact.chain(subdomains).chain(self.any.as_ref().map(|_| HostPattern::Any))
    }

    /// What belongs to a canonical host, the most particular pattern first.
    pub(crate) fn matching<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a T> {
        // Most documents name their hosts: then nothing is below anything, and dots needn't be looked for.
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
    fn a_host_has_one_form() {
        for (raw, form) in [
            ("API.paykore.dev", "api.paykore.dev"),
            ("api.paykore.dev:443", "api.paykore.dev"),
            ("api.paykore.dev.:8443", "api.paykore.dev"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(canonical_host(raw), form, "{raw}");
        }
    }

    #[test]
    fn the_most_particular_pattern_comes_first() {
        let mut map = HostMap::default();
        for (n, text) in ["*", "*.dev", "*.a.dev", "b.a.dev"].iter().enumerate() {
            assert!(map.add(HostPattern::parse(text).unwrap(), n));
        }
        assert!(!map.add(HostPattern::parse("*.A.dev").unwrap(), 9));
        let found = |host| map.matching(host).copied().collect::<Vec<_>>();
        assert_eq!(found("b.a.dev"), [3, 2, 1, 0]);
        assert_eq!(found("a.dev"), [1, 0]);
        assert_eq!(found("xa.dev"), [1, 0]);
        assert_eq!(found("com"), [0]);
        assert_eq!(found(".dev"), [0]);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in
            ["", "a b", "a.*.dev", "*a.dev", "https://a.dev", "a.dev:443", "a..dev", "*..", "[zz]", "*.[::1]"]
        {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(HostPattern::parse("A.dev."), Ok(HostPattern::Exact("a.dev".into())));
    }
}
