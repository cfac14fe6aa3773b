//! Kinds of keys, and the form of their values: a prefix, random characters, perhaps a checksum. A value
//! that has no kind's form is refused before anything is hashed or looked up.

mod format_index;

pub use self::format_index::KeyFormatIndex;

use crate::scope::ScopeSet;

/// How random bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits, two a byte.
    Hex,
    /// `0-9A-Za-z`, as many as hold the bytes' entropy.
    Base62,
    /// RFC 4648 section 5, without padding.
    Base64Url,
}

impl Encoding {
    /// How many characters hold `bytes` bytes of randomness.
    #[must_use]
    pub fn characters(self, bytes: usize) -> usize {
        match self {
            Self::Hex => bytes * 2,
            // 62 symbols hold 5.9542 bits each.
            Self::Base62 => (bytes * 80_000).div_ceil(59_541),
            Self::Base64Url => (bytes * 4).div_ceil(3),
        }
    }

    /// Whether every character belongs to the alphabet. All of them are looked at, many at a time, since nearly
    /// every text that comes here is a right one.
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

/// What the values of a kind start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefixes {
    /// One for every environment: the value doesn't tell which.
    Shared(Box<str>),
    /// Environment and prefix.
    PerEnvironment(Vec<(Box<str>, Box<str>)>),
}

impl Prefixes {
    /// The prefix in an environment, where keys of it can exist.
    #[must_use]
    pub fn of(&self, environment: &str) -> Option<&str> {
        match self {
            Self::Shared(prefix) => Some(prefix),
            Self::PerEnvironment(each) => each.iter().find(|(e, _)| **e == *environment).map(|(_, p)| &**p),
        }
    }

    /// Every prefix.
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
    /// Its name (`secret`).
    pub name: Box<str>,
    /// Whether it is meant where no kind is named.
    pub default: bool,
    /// What its values start with.
    pub prefixes: Prefixes,
    /// How the random part is written.
    pub encoding: Encoding,
    /// Bytes of randomness.
    pub bytes: usize,
    /// Whether six base62 characters of CRC-32 end the value.
    pub checksum: bool,
    /// Whether the value can be read again.
    pub retrievable: bool,
    /// What a key of this kind must be bound to.
    pub bindings: Vec<Box<str>>,
    /// The most that it can be granted.
    pub max_scopes: ScopeSet,
    /// What it gets when none is asked for.
    pub default_scopes: ScopeSet,
    /// Environments, and the others that a key of this kind in them may make keys in.
    pub creates_keys_in: Vec<(Box<str>, Vec<Box<str>>)>,
}

/// The characters of a checksum: 62^6 is more than 2^32.
pub const CHECKSUM_CHARACTERS: usize = 6;

impl KeyKind {
    /// Whether a key of this kind in one environment may make keys in another: in its own always, elsewhere only
    /// where the document says so.
    #[must_use]
    pub fn can_create_keys_in(&self, own: &str, other: &str) -> bool {
        let said =
            |(from, to): &(Box<str>, Vec<Box<str>>)| **from == *own && to.iter().any(|e| **e == *other);
        own == other || self.creates_keys_in.iter().any(said)
    }

    /// Whether `value` has this kind's form under one of its prefixes.
    #[must_use]
    pub fn matches_format(&self, value: &str) -> bool {
        self.prefixes.all().any(|prefix| self.format().matches_after_prefix(prefix, value))
    }

    fn format(&self) -> KeyFormat {
        KeyFormat { encoding: self.encoding, bytes: self.bytes, checksum: self.checksum }
    }
}

/// What stands behind a prefix.
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

/// CRC-32 (ISO-HDLC, as in gzip) over everything before it, in base62, padded with zeros: a mistyped key
/// costs no look-up.
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

/// The digits of base62, in order.
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
        }
    }

    #[test]
    fn base62_characters_hold_the_entropy() {
        assert_eq!(Encoding::Base62.characters(32), 43);
        assert_eq!(Encoding::Base62.characters(16), 22);
        assert_eq!(Encoding::Base64Url.characters(32), 43);
    }

    #[test]
    fn a_value_fits_by_prefix_length_and_alphabet() {
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
    fn a_wrong_checksum_does_not_fit() {
        let kind = kind(Encoding::Base62, true);
        let covered = format!("sk_live_{}", "Zz9".repeat(14) + "a");
        let sum = String::from_utf8(checksum(&covered).to_vec()).unwrap();
        assert!(kind.matches_format(&format!("{covered}{sum}")));
        assert!(!kind.matches_format(&format!("{}b{sum}", &covered[..covered.len() - 1])));
    }
}
