//! Sealing of values that must be read again: publishable keys, signing keys, and the successors of refresh
//! tokens. Values are encrypted with XChaCha20-Poly1305 under the operator's master key and bound to their
//! owner, so that a stolen database reveals none of them, and no value can be moved to another row.
//!
//! A sealed value does not say which key it is sealed under. While the master key is being rotated, each key
//! is tried.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng;

use crate::secret::PlainKey;

/// A sealed value: nonce and ciphertext.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(redacted)")
    }
}

/// Error of a value that the master keys do not open: it has another key or owner, or is corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key does not open this value")]
pub struct UnsealError;

const NONCE_BYTES: usize = 24;

/// Seals under one master key, and opens under that key and earlier ones.
pub struct Sealer {
    current: XChaCha20Poly1305,
    previous: Vec<XChaCha20Poly1305>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

impl Sealer {
    /// Returns a sealer with this master key.
    #[must_use]
    pub fn new(master: &[u8; 32]) -> Self {
        Self { current: XChaCha20Poly1305::new(master.into()), previous: Vec::new() }
    }

    /// Adds previous master keys. They open values and seal none.
    #[must_use]
    pub fn with_previous<'k>(mut self, keys: impl IntoIterator<Item = &'k [u8; 32]>) -> Self {
        self.previous.extend(keys.into_iter().map(|key| XChaCha20Poly1305::new(key.into())));
        self
    }

    /// Seals `plain` for `owner`, which is an identifier. The nonce is random: with 192 bits, two are never
    /// equal by chance.
    pub fn seal(&self, plain: &[u8], owner: &str, random: &mut dyn Rng) -> Result<Sealed, UnsealError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let sealed = self.current.encrypt(&XNonce::from(nonce), payload).map_err(|_| UnsealError)?;
        Ok(Sealed([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens a value that was sealed for `owner`.
    pub fn open(&self, sealed: &Sealed, owner: &str) -> Result<PlainKey, UnsealError> {
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        keys.find_map(|key| decrypt(key, sealed, owner)).ok_or(UnsealError)
    }

    /// Returns whether a value of `owner` is sealed under the current master key.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed, owner: &str) -> bool {
        decrypt(&self.current, sealed, owner).is_some()
    }
}

fn decrypt(key: &XChaCha20Poly1305, sealed: &Sealed, owner: &str) -> Option<PlainKey> {
    let (nonce, text) = sealed.0.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: text, aad: owner.as_bytes() };
    let plain = key.decrypt(&XNonce::from(*nonce), payload).ok()?;
    String::from_utf8(plain).map(PlainKey::new).ok()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_sealed_value_opens_for_its_owner_alone() {
        let mut random = rand::rngs::StdRng::from_seed([1; 32]);
        let sealer = Sealer::new(&[9; 32]);
        let mut sealed = sealer.seal(b"pk_live_x", "key_a", &mut random).unwrap();
        assert_eq!(sealer.open(&sealed, "key_a").unwrap().reveal(), "pk_live_x");
        assert_eq!(sealer.open(&sealed, "key_b").unwrap_err(), UnsealError);
        assert_eq!(Sealer::new(&[8; 32]).open(&sealed, "key_a").unwrap_err(), UnsealError);
        sealed.0[NONCE_BYTES] ^= 1;
        assert_eq!(sealer.open(&sealed, "key_a").unwrap_err(), UnsealError);
        assert_eq!(sealer.open(&Sealed(vec![1]), "key_a").unwrap_err(), UnsealError);
    }

    #[test]
    fn a_previous_key_opens_values_and_seals_none() {
        let mut random = rand::rngs::StdRng::from_seed([2; 32]);
        let (old, new) = (Sealer::new(&[8; 32]), Sealer::new(&[9; 32]));
        let both = Sealer::new(&[9; 32]).with_previous([&[7; 32], &[8; 32]]);
        let before = old.seal(b"pk_live_x", "key_a", &mut random).unwrap();
        assert_eq!(both.open(&before, "key_a").unwrap().reveal(), "pk_live_x");
        assert!(!both.is_current(&before, "key_a") && both.open(&before, "key_b").is_err());
        let after = both.seal(b"pk_live_x", "key_a", &mut random).unwrap();
        assert!(both.is_current(&after, "key_a") && new.open(&after, "key_a").is_ok());
        assert!(old.open(&after, "key_a").is_err());
    }
}
