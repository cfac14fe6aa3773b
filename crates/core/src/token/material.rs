//! The secret half of a signing key: made here, kept sealed, opened where tokens are signed. Randomness for
//! ES256 and RS256 is the cryptographic library's own, which takes none from outside.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rand::Rng;
use zeroize::Zeroizing;

use super::SigningAlgorithm;
use crate::secret::PlainKey;

/// Key material that can't be used: too short, of another algorithm, or spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key's material can't be used")]
pub struct InvalidKeyMaterial;

/// What signs, and what verifies.
#[derive(Clone)]
pub struct KeyMaterial {
    algorithm: SigningAlgorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// An HMAC secret has as many bytes as its hash.
const HS256_BYTES: usize = 32;
/// The modulus of the smallest RSA key, in bytes.
const RSA_BYTES: usize = 3072 / 8;

impl std::fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Material({}, redacted)", self.algorithm)
    }
}

impl KeyMaterial {
    /// A new key. For RS256 this takes about a second of one core.
    pub fn generate(algorithm: SigningAlgorithm, random: &mut dyn Rng) -> Result<Self, InvalidKeyMaterial> {
        let mut seed = Zeroizing::new([0; HS256_BYTES]);
        random.fill_bytes(&mut *seed);
        let secret = match algorithm {
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| InvalidKeyMaterial)?;
                pair.to_pkcs8v1().map_err(|_| InvalidKeyMaterial)?.as_ref().to_vec()
            }
            SigningAlgorithm::Es256 => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                made.map_err(|_| InvalidKeyMaterial)?.as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(|_| InvalidKeyMaterial)?;
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| InvalidKeyMaterial)?;
                rsa_private_key(der.as_ref())?.to_vec()
            }
            SigningAlgorithm::Hs256 => seed.to_vec(),
        };
        Self { algorithm, secret: Zeroizing::new(secret) }.checked()
    }

    /// The text that is sealed.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&*self.secret))
    }

    /// From the text that was sealed.
    pub fn from_text(algorithm: SigningAlgorithm, text: &PlainKey) -> Result<Self, InvalidKeyMaterial> {
        let secret = STANDARD.decode(text.reveal()).map_err(|_| InvalidKeyMaterial)?;
        Self { algorithm, secret: Zeroizing::new(secret) }.checked()
    }

    /// What signs.
    #[must_use]
    pub fn signer(&self) -> EncodingKey {
        match self.algorithm {
            SigningAlgorithm::EdDsa => EncodingKey::from_ed_der(&self.secret),
            SigningAlgorithm::Es256 => EncodingKey::from_ec_der(&self.secret),
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_der(&self.secret),
            SigningAlgorithm::Hs256 => EncodingKey::from_secret(&self.secret),
        }
    }

    /// What verifies.
    pub fn verifier(&self) -> Result<DecodingKey, InvalidKeyMaterial> {
        if self.algorithm == SigningAlgorithm::Hs256 {
            return Ok(DecodingKey::from_secret(&self.secret));
        }
        let jwk = Jwk::from_encoding_key(&self.signer(), self.algorithm.library())
            .map_err(|_| InvalidKeyMaterial)?;
        DecodingKey::from_jwk(&jwk).map_err(|_| InvalidKeyMaterial)
    }

    /// The public half as a JWK; none for a shared secret.
    pub fn public(&self) -> Result<Option<Jwk>, InvalidKeyMaterial> {
        if !self.algorithm.has_public_key() {
            return Ok(None);
        }
        let jwk = Jwk::from_encoding_key(&self.signer(), self.algorithm.library());
        jwk.map(Some).map_err(|_| InvalidKeyMaterial)
    }

    fn checked(self) -> Result<Self, InvalidKeyMaterial> {
        let long_enough = match self.algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&self.secret).is_ok(),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.secret).is_ok()
            }
            SigningAlgorithm::Rs256 => {
                RsaKeyPair::from_der(&self.secret).is_ok_and(|k| k.public_modulus_len() >= RSA_BYTES)
            }
            SigningAlgorithm::Hs256 => self.secret.len() >= HS256_BYTES,
        };
        if long_enough { Ok(self) } else { Err(InvalidKeyMaterial) }
    }
}

/// The PKCS #1 key inside a PKCS #8 one, which is what jsonwebtoken signs with: behind a version, the
/// algorithm's name and the heads of both, which have one length for every key of 3072 bits.
fn rsa_private_key(pkcs8: &[u8]) -> Result<&[u8], InvalidKeyMaterial> {
    const HEADS: usize = 26;
    let inner = pkcs8.get(HEADS..).ok_or(InvalidKeyMaterial)?;
    RsaKeyPair::from_der(inner).map(|_| inner).map_err(|_| InvalidKeyMaterial)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn material_comes_back_from_its_text_and_says_nothing_of_itself() {
        let mut random = rand::rngs::StdRng::from_seed([1; 32]);
        for algorithm in SigningAlgorithm::ALL {
            let made = KeyMaterial::generate(algorithm, &mut random).unwrap();
            let text = PlainKey::new(made.text().to_string());
            assert_eq!(KeyMaterial::from_text(algorithm, &text).unwrap().secret, made.secret);
            assert_eq!(made.public().unwrap().is_some(), algorithm.has_public_key());
            assert_eq!(format!("{made:?}"), format!("Material({algorithm}, redacted)"));
        }
    }

    #[test]
    fn short_or_foreign_material_is_refused() {
        let text = |bytes: &[u8]| PlainKey::new(STANDARD.encode(bytes));
        assert!(KeyMaterial::from_text(SigningAlgorithm::Hs256, &text(&[7; 31])).is_err());
        assert!(KeyMaterial::from_text(SigningAlgorithm::Hs256, &text(&[7; 32])).is_ok());
        let small = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let small = AsDer::<Pkcs8V1Der<'_>>::as_der(&small).unwrap();
        let small = rsa_private_key(small.as_ref()).unwrap();
        assert!(KeyMaterial::from_text(SigningAlgorithm::Rs256, &text(small)).is_err());
        assert!(KeyMaterial::from_text(SigningAlgorithm::EdDsa, &text(small)).is_err());
    }
}
