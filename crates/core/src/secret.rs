//! The two forms of a key: the plain value, shown once and wiped from memory afterwards, and the hash,
//! which is all that is kept. Neither shows itself in `Debug`.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The whole value of a key, as its holder sends it.
#[derive(Clone)]
pub struct PlainKey(Zeroizing<String>);

impl PlainKey {
    /// Takes over a value that was just made or just received.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, to hand out once or to seal.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// The last four characters, to tell keys apart.
    #[must_use]
    pub fn hint(&self) -> String {
        let mut tail: Vec<char> = self.0.chars().rev().take(4).collect();
        tail.reverse();
        tail.into_iter().collect()
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(redacted)")
    }
}

/// SHA-256 of a key's whole value. Values carry 128 random bits at least, so a slow hash would add
/// nothing against guessing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a presented value.
    #[must_use]
    pub fn of(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }

    /// Its first eight bytes in hexadecimal digits: enough to tell texts apart that are no secrets.
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
