//! Kinds of keys and the format of their values: a prefix, random characters and an optional checksum. A
//! value that has the format of no kind is denied before anything is hashed or looked up.

mod format_index;
mod lifetime;
pub mod pattern;

pub use self::format_index::KeyFormatIndex;
pub use self::lifetime::{ExpiryRequired, LifetimeRules, in_largest_unit};

use self::pattern::KeyPattern;
use crate::imported_hash::{HashAlgorithm, HashScheme, ImportedHashes};
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

    /// Returns the name in profiles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base62 => "base62",
            Self::Base64Url => "base64url",
        }
    }

    /// Returns the alphabet as a class of a regular expression.
    fn class(self) -> &'static str {
        match self {
            Self::Hex => "[0-9a-f]",
            Self::Base62 => "[0-9A-Za-z]",
            Self::Base64Url => "[0-9A-Za-z_-]",
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
    /// A prefix that all environments share, so that the value does not show its environment.
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
    /// Number of random characters.
    pub characters: usize,
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
    /// Keys of another system that are keys of this kind.
    pub imports: ImportRules,
}

/// Keys of another system that a kind accepts, besides those with the format of the kind and SHA-256 as their hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRules {
    /// Format of the other system.
    pub pattern: Option<KeyPattern>,
    /// True if the kind has no format of its own, so that its keys are imported and never created here.
    pub only: bool,
    /// Hash schemes of the other system.
    pub hashes: Vec<HashScheme>,
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

    /// Returns whether `value` has this kind's own format under one of its prefixes, or the format of another system
    /// whose keys are of this kind.
    #[must_use]
    pub fn matches_format(&self, value: &str) -> bool {
        self.matches_own_format(value) || self.matches_pattern(value)
    }

    /// Returns whether `value` has the format of the keys that are created here.
    #[must_use]
    pub fn matches_own_format(&self, value: &str) -> bool {
        self.own_prefixes().any(|prefix| self.format().matches_after_prefix(prefix, value))
    }

    /// Returns whether a value that begins with `prefix`, which may be shorter or longer than a prefix of the kind, may
    /// have the format of this kind. Allocates nothing.
    #[must_use]
    pub fn may_begin_with(&self, prefix: &str) -> bool {
        self.own_prefixes().any(|own| own.starts_with(prefix) || prefix.starts_with(own))
            || self.imports.pattern.as_ref().is_some_and(|pattern| pattern.may_begin_with(prefix))
    }

    /// Returns whether `value` has the format of another system whose keys are of this kind.
    #[must_use]
    pub fn matches_pattern(&self, value: &str) -> bool {
        self.imports.pattern.as_ref().is_some_and(|pattern| pattern.matches(value))
    }

    /// Returns the prefixes of the keys that are created here; none for a kind whose keys are imported only.
    pub fn own_prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.all().filter(|_| !self.imports.only)
    }

    /// Returns the formats of this kind's values as patterns, to compare them with those of other kinds.
    pub fn patterns(&self) -> impl Iterator<Item = KeyPattern> {
        let sum = if self.checksum { CHECKSUM_CHARACTERS } else { 0 };
        let class = self.encoding.class();
        let own = move |prefix| KeyPattern::of_format(prefix, class, self.characters, sum);
        self.own_prefixes().filter_map(own).chain(self.imports.pattern.clone())
    }

    /// Returns the scheme of the imported hashes with this algorithm and this name of a secret. SHA-256 needs no
    /// declaration.
    #[must_use]
    pub fn hash_scheme(&self, algorithm: HashAlgorithm, secret_name: &str) -> Option<HashScheme> {
        if algorithm == HashAlgorithm::Sha256 {
            return Some(HashScheme::plain(algorithm));
        }
        let same = |scheme: &&HashScheme| {
            scheme.algorithm == algorithm && (secret_name.is_empty() || *scheme.secret_name == *secret_name)
        };
        let mut matching = self.imports.hashes.iter().filter(same);
        // Without a name, the secret must be the only one.
        matching.next().filter(|_| matching.next().is_none()).cloned()
    }

    /// Adds the hashes, besides SHA-256, by which another system may have stored a key of this value.
    pub fn add_imported_hashes(&self, value: &str, hashes: &mut ImportedHashes) {
        if self.imports.hashes.is_empty() || !self.matches_format(value) {
            return;
        }
        for hash in self.imports.hashes.iter().filter_map(|scheme| scheme.lookup_hash_of(value)) {
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
    }

    fn format(&self) -> KeyFormat {
        KeyFormat { encoding: self.encoding, characters: self.characters, checksum: self.checksum }
    }
}

/// Format of the part of a value that follows the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyFormat {
    encoding: Encoding,
    characters: usize,
    checksum: bool,
}

impl KeyFormat {
    fn matches_after_prefix(self, prefix: &str, value: &str) -> bool {
        let Some(rest) = value.strip_prefix(prefix) else { return false };
        let sum = if self.checksum { CHECKSUM_CHARACTERS } else { 0 };
        let random = self.characters;
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
mod tests;
