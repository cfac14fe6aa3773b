//! Fingerprints by which verified tokens are found in the cache. A token is about ten times as long as a key:
//! hashing it with SHA-256 would cost more than the rest of its evaluation, and keeping its text would keep a
//! credential. A fingerprint is a universal hash, Poly1305, under a key that this process generates. Neither
//! the key nor a fingerprint leaves the process. Without the key, an attacker finds a second token with the
//! same fingerprint with a probability of less than 2^-90 for each attempt.

use std::hash::{BuildHasher as _, RandomState};

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;

/// Fingerprint of a token. It has no meaning in another process.
pub(crate) type Fingerprint = u128;

/// Computes fingerprints under a key of this process.
pub(crate) struct TokenFingerprinter(Poly1305);

impl TokenFingerprinter {
    /// Returns a fingerprinter with a new key, from the randomness that the standard library seeds its hash
    /// maps with.
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let mut key = poly1305::Key::default();
        for (index, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&random.hash_one(index).to_le_bytes());
        }
        Self(Poly1305::new(&key))
    }

    /// Returns the fingerprint of a token.
    pub(crate) fn fingerprint(&self, token: &str) -> Fingerprint {
        Fingerprint::from_le_bytes(self.0.clone().compute_unpadded(token.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_the_token_and_on_the_process() {
        let (fingerprinter, other) = (TokenFingerprinter::new(), TokenFingerprinter::new());
        let token = format!("eyJ{}", "abcdefgh".repeat(80));
        assert_eq!(fingerprinter.fingerprint(&token), fingerprinter.fingerprint(&token.clone()));
        assert_ne!(fingerprinter.fingerprint(&token), other.fingerprint(&token));
        for index in [0, 15, 16, 300, token.len() - 1] {
            let mut changed = token.clone().into_bytes();
            changed[index] ^= 1;
            assert_ne!(
                fingerprinter.fingerprint(std::str::from_utf8(&changed).unwrap()),
                fingerprinter.fingerprint(&token),
                "{index}"
            );
        }
        for odd in [&token[..token.len() - 1], &token[1..], &format!("{token}\0"), &format!("{token}\u{1}")] {
            assert_ne!(fingerprinter.fingerprint(odd), fingerprinter.fingerprint(&token));
        }
    }
}
