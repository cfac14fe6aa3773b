//! Kinds of keys and the format of their values: a prefix, random characters and an optional checksum. A
//! value that has the format of no kind is denied before anything is hashed or looked up.

mod format_index;
mod lifetime;

pub use self::format_index::KeyFormatIndex;
pub use self::lifetime::{ExpiryRequired, LifetimeRules, in_largest_unit};

use crate::scope::ScopeSet;

/// Encoding of random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits, two for each byte.
    Hex,
    /// The characters `0-9A-Za-z`, as many as the entropy of the bytes needs.
    Base62,
    /// RFC 4648 section 5, without padding.
    Base64Url,
}

impl Encoding {
    /// Returns the number of characters that hold `bytes` random bytes.
    #[must_use]
    pub fn characters(self, bytes: usize) -> usize {
        match self {
            Self::Hex => bytes * 2,
            // One of 62 symbols holds 5.9542 bits.
            Self::Base62 => (bytes * 80_000).div_ceil(59_541),
            Self::Base64Url => (bytes * 4).div_ceil(3),
        }
    }

    /// Returns whether every character belongs to the alphabet. It reads all characters instead of stopping
    /// at the first other one, so that many are compared at a time: nearly every value is valid.
    #[must_use]
    pub fn is_valid(self, text: &[u8]) -> bool {
        match self {
            Self::Hex => all_bytes(text, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            Self::Base62 => all_bytes(text, |byte| byte.is_ascii_alphanumeric()),
            Self::Base64Url => {
                all_bytes(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            }
        }
    }
}

fn all_bytes(text: &[u8], has: impl Fn(u8) -> bool) -> bool {
    text.iter().fold(true, |all, byte| all & has(*byte))
}

/// Prefixes of the values of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefixes {
    /// A prefix that all environments share, so that the value does not tell its environment.
    Shared(Box<str>),
    /// Pairs of environment and prefix.
    PerEnvironment(Vec<(Box<str>, Box<str>)>),
}

impl Prefixes {
    /// Returns the prefix of an environment; `None` if the kind has no keys there.
    #[must_use]
    pub fn of(&self, environment: &str) -> Option<&str> {
        match self {
            Self::Shared(prefix) => Some(prefix),
            Self::PerEnvironment(each) => each.iter().find(|(e, _)| **e == *environment).map(|(_, p)| &**p),
        }
    }

    /// Returns every prefix.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let (one, each) = match self {
            Self::Shared(prefix) => (Some(&**prefix), [].as_slice()),
            Self::PerEnvironment(each) => (None, each.as_slice()),
        };
        one.into_iter().chain(each.iter().map(|(_, p)| &**p))
    }
}

/// A kind of key, as a profile declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyKind {
    /// The name (`secret`).
    pub name: Box<str>,
    /// True for the kind that is used when a request names none.
    pub default: bool,
    /// Prefixes of its values.
    pub prefixes: Prefixes,
    /// Encoding of the random part.
    pub encoding: Encoding,
    /// Number of random bytes.
    pub bytes: usize,
    /// True if the value ends with six base62 characters of CRC-32.
    pub checksum: bool,
    /// True if the value can be read again after the key was created.
    pub retrievable: bool,
    /// Resources that a key of this kind must be bound to.
    pub bindings: Vec<Box<str>>,
    /// Scopes that a key of this kind can be granted at most.
    pub max_scopes: ScopeSet,
    /// Scopes that a key gets when the request names none; empty unless the profile says otherwise.
    pub default_scopes: ScopeSet,
    /// Environments, each with the other environments that its keys may create keys in.
    pub creates_keys_in: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Bounds of its keys' lifetimes.
    pub lifetime: LifetimeRules,
}

/// Characters of a checksum: 62^6 is more than 2^32.
pub const CHECKSUM_CHARACTERS: usize = 6;

impl KeyKind {
    /// Returns whether a key of this kind in one environment may create keys in another. It always may in its
    /// own, and elsewhere only if the profile says so.
    #[must_use]
    pub fn can_create_keys_in(&self, own: &str, other: &str) -> bool {
        let declared =
            |(from, to): &(Box<str>, Vec<Box<str>>)| **from == *own && to.iter().any(|e| **e == *other);
        own == other || self.creates_keys_in.iter().any(declared)
    }

    /// Returns whether `value` has this kind's format under one of its prefixes.
    #[must_use]
    pub fn matches_format(&self, value: &str) -> bool {
        self.prefixes.all().any(|prefix| self.format().matches_after_prefix(prefix, value))
    }

    fn format(&self) -> KeyFormat {
        KeyFormat { encoding: self.encoding, bytes: self.bytes, checksum: self.checksum }
    }
}

/// Format of the part of a value that follows the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyFormat {
    encoding: Encoding,
    bytes: usize,
    checksum: bool,
}

impl KeyFormat {
    fn matches_after_prefix(self, prefix: &str, value: &str) -> bool {
        let Some(rest) = value.strip_prefix(prefix) else { return false };
        let sum = if self.checksum { CHECKSUM_CHARACTERS } else { 0 };
        let random = self.encoding.characters(self.bytes);
        if rest.len() != random + sum || !self.encoding.is_valid(&rest.as_bytes()[..random]) {
            return false;
        }
        let covered = value.len() - sum;
        !self.checksum || value.as_bytes()[covered..] == checksum(&value[..covered])
    }
}

/// Returns the checksum of a text: CRC-32 (ISO-HDLC, as in gzip), in base62 and padded with zeros. With a
/// checksum, a mistyped key costs no lookup.
#[must_use]
pub fn checksum(covered: &str) -> [u8; CHECKSUM_CHARACTERS] {
    let mut rest = crc32fast::hash(covered.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// Digits of base62 in ascending order.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(encoding: Encoding, checksum: bool) -> KeyKind {
        KeyKind {
            name: "secret".into(),
            default: true,
            prefixes: Prefixes::PerEnvironment(vec![("live".into(), "sk_live_".into())]),
            encoding,
            bytes: 32,
            checksum,
            retrievable: false,
            bindings: vec![],
            max_scopes: ScopeSet::default(),
            default_scopes: ScopeSet::default(),
            creates_keys_in: Vec::new(),
            lifetime: crate::key_kind::LifetimeRules::default(),
        }
    }

    #[test]
    fn base62_characters_hold_the_entropy() {
        assert_eq!(Encoding::Base62.characters(32), 43);
        assert_eq!(Encoding::Base62.characters(16), 22);
        assert_eq!(Encoding::Base64Url.characters(32), 43);
    }

    #[test]
    fn a_value_matches_by_prefix_length_and_alphabet() {
        let hex = kind(Encoding::Hex, false);
        let value = format!("sk_live_{}", "a1".repeat(32));
        assert!(hex.matches_format(&value));
        assert!(!hex.matches_format(&value.to_uppercase()) && !hex.matches_format(&value[1..]));
        assert!(
            !hex.matches_format(&format!("{value}0")) && !hex.matches_format(&value.replace("live", "test"))
        );
        assert!(!hex.matches_format(&value.replace('a', "g")));
    }

    #[test]
    fn a_wrong_checksum_does_not_match() {
        let kind = kind(Encoding::Base62, true);
        let covered = format!("sk_live_{}", "Zz9".repeat(14) + "a");
        let sum = String::from_utf8(checksum(&covered).to_vec()).unwrap();
        assert!(kind.matches_format(&format!("{covered}{sum}")));
        assert!(!kind.matches_format(&format!("{}b{sum}", &covered[..covered.len() - 1])));
    }
}
