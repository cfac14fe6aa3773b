//! Values that must be read again (publishable keys, later signing keys) are kept sealed: XChaCha20-Poly1305
//! under the operator's master key, bound to what they belong to, so that a stolen database shows none and
//! no row can be swapped for another.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng;

use crate::secret::PlainKey;

/// Nonce and ciphertext.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(redacted)")
    }
}

/// A value that this master key doesn't open: another key, another owner, or a spoiled row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key does not open this value")]
pub struct NotOpened;

const NONCE: usize = 24;

/// Seals and opens under one master key.
pub struct Sealer(XChaCha20Poly1305);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

impl Sealer {
    /// Under this master key.
    #[must_use]
    pub fn new(master: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(master.into()))
    }

    /// Seals `plain` for `owner` (an identifier). The nonce is random: 192 bits never meet by chance.
    pub fn seal(&self, plain: &[u8], owner: &str, random: &mut dyn Rng) -> Result<Sealed, NotOpened> {
        let mut nonce = [0; NONCE];
        random.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| NotOpened)?;
        Ok(Sealed([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed for `owner`.
    pub fn open(&self, sealed: &Sealed, owner: &str) -> Result<PlainKey, NotOpened> {
        let (nonce, text) = sealed.0.split_first_chunk::<NONCE>().ok_or(NotOpened)?;
        let payload = Payload { msg: text, aad: owner.as_bytes() };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| NotOpened)?;
        String::from_utf8(plain).map(PlainKey::new).map_err(|_| NotOpened)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_alone() {
        let mut random = rand::rngs::StdRng::from_seed([1; 32]);
        let sealer = Sealer::new(&[9; 32]);
        let mut sealed = sealer.seal(b"pk_live_x", "key_a", &mut random).unwrap();
        assert_eq!(sealer.open(&sealed, "key_a").unwrap().reveal(), "pk_live_x");
        assert_eq!(sealer.open(&sealed, "key_b").unwrap_err(), NotOpened);
        assert_eq!(Sealer::new(&[8; 32]).open(&sealed, "key_a").unwrap_err(), NotOpened);
        sealed.0[NONCE] ^= 1;
        assert_eq!(sealer.open(&sealed, "key_a").unwrap_err(), NotOpened);
        assert_eq!(sealer.open(&Sealed(vec![1]), "key_a").unwrap_err(), NotOpened);
    }
}
