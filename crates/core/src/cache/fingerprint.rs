//! What a verified token is remembered by. A token is ten times as long as a key, and hashing it with SHA-256 would
//! cost more than all else about it; keeping its text would keep a credential. Its mark is a universal hash,
//! Poly1305, under a key that this process has made and shows nobody, any more than the marks: whoever doesn't know
//! that key finds a second token with one's mark with a chance of less than one in 2^90, whatever they try.

use std::hash::{BuildHasher as _, RandomState};

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;

/// A token's mark; it means nothing in another process.
pub(crate) type Fingerprint = u128;

/// Makes marks.
pub(crate) struct TokenFingerprinter(Poly1305);

impl TokenFingerprinter {
    /// With a key of its own, of the randomness that the standard library seeds its maps with.
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let mut key = poly1305::Key::default();
        for (place, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&random.hash_one(place).to_le_bytes());
        }
        Self(Poly1305::new(&key))
    }

    /// The mark of a token.
    pub(crate) fn fingerprint(&self, token: &str) -> Fingerprint {
        Fingerprint::from_le_bytes(self.0.clone().compute_unpadded(token.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_a_tokens_own_and_a_processes_own() {
        let (fingerprinter, other) = (TokenFingerprinter::new(), TokenFingerprinter::new());
        let token = format!("eyJ{}", "abcdefgh".repeat(80));
        assert_eq!(fingerprinter.fingerprint(&token), fingerprinter.fingerprint(&token.clone()));
        assert_ne!(fingerprinter.fingerprint(&token), other.fingerprint(&token));
        for place in [0, 15, 16, 300, token.len() - 1] {
            let mut changed = token.clone().into_bytes();
            changed[place] ^= 1;
            assert_ne!(
                fingerprinter.fingerprint(std::str::from_utf8(&changed).unwrap()),
                fingerprinter.fingerprint(&token),
                "{place}"
            );
        }
        for odd in [&token[..token.len() - 1], &token[1..], &format!("{token}\0"), &format!("{token}\u{1}")] {
            assert_ne!(fingerprinter.fingerprint(odd), fingerprinter.fingerprint(&token));
        }
    }
}
