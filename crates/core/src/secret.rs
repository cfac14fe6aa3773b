//! The two forms of a key: the plain value, which is shown once and wiped from memory afterwards, and the
//! hash, which is stored. `Debug` shows neither of them.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The whole value of a key, as a caller sends it.
#[derive(Clone)]
pub struct PlainKey(Zeroizing<String>);

impl PlainKey {
    /// Takes ownership of a value that was just created or received.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Returns the value, to show it once or to seal it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the hash, by which the key is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// Number of characters of a hint.
    pub const HINT_CHARACTERS: usize = 4;

    /// Returns the last four characters, by which people tell keys apart.
    #[must_use]
    pub fn hint(&self) -> String {
        let mut tail: Vec<char> = self.0.chars().rev().take(Self::HINT_CHARACTERS).collect();
        tail.reverse();
        tail.into_iter().collect()
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(redacted)")
    }
}

/// SHA-256 hash of a key's whole value. Values have at least 128 random bits, so that a slow hash would add
/// no protection against guessing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Returns the hash of a value.
    #[must_use]
    pub fn of(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }

    /// Returns the first eight bytes in hexadecimal digits. They are enough to distinguish texts that are not
    /// secret.
    #[must_use]
    pub fn short_hex(&self) -> String {
        let (first, _) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        format!("{:016x}", u64::from_be_bytes(*first))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(redacted)")
    }
}
