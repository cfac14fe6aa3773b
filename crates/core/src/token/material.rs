//! Key material: the secret half of a signing key. It is generated here, stored sealed, and unsealed by the
//! replicas that sign. The randomness for ES256 and RS256 comes from the cryptographic library, which accepts
//! none from outside.

use asn1_rs::{FromDer as _, Sequence};
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

/// Error of key material that cannot be used: it is too short, for another algorithm, or corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key's material cannot be used")]
pub struct InvalidKeyMaterial;

/// Secret of a signing key, with its algorithm.
#[derive(Clone)]
pub struct KeyMaterial {
    algorithm: SigningAlgorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// Bytes of an HMAC secret: as many as the hash has.
const HS256_BYTES: usize = 32;
/// Bytes of the modulus of the smallest accepted RSA key.
const RSA_BYTES: usize = 3072 / 8;

impl std::fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyMaterial({}, redacted)", self.algorithm)
    }
}

impl KeyMaterial {
    /// Generates new key material. For RS256, this takes about a second on one core.
    pub fn generate(algorithm: SigningAlgorithm, random: &mut dyn Rng) -> Result<Self, InvalidKeyMaterial> {
        let mut seed = Zeroizing::new([0; HS256_BYTES]);
        random.fill_bytes(&mut *seed);
        let secret = match algorithm {
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| InvalidKeyMaterial)?;
                pair.to_pkcs8v1().map_err(|_| InvalidKeyMaterial)?.as_ref().to_vec()
            }
            SigningAlgorithm::Es256 => {
                let document =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                document.map_err(|_| InvalidKeyMaterial)?.as_ref().to_vec()
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

    /// Returns the algorithm that the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Returns the text form, which is sealed for storage.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&*self.secret))
    }

    /// Parses the text form.
    pub fn from_text(algorithm: SigningAlgorithm, text: &PlainKey) -> Result<Self, InvalidKeyMaterial> {
        let secret = STANDARD.decode(text.reveal()).map_err(|_| InvalidKeyMaterial)?;
        Self { algorithm, secret: Zeroizing::new(secret) }.checked()
    }

    /// Returns the key that signs.
    #[must_use]
    pub fn signer(&self) -> EncodingKey {
        match self.algorithm {
            SigningAlgorithm::EdDsa => EncodingKey::from_ed_der(&self.secret),
            SigningAlgorithm::Es256 => EncodingKey::from_ec_der(&self.secret),
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_der(&self.secret),
            SigningAlgorithm::Hs256 => EncodingKey::from_secret(&self.secret),
        }
    }

    /// Returns the key that verifies.
    pub fn verifier(&self) -> Result<DecodingKey, InvalidKeyMaterial> {
        if self.algorithm == SigningAlgorithm::Hs256 {
            return Ok(DecodingKey::from_secret(&self.secret));
        }
        let jwk = Jwk::from_encoding_key(&self.signer(), self.algorithm.library())
            .map_err(|_| InvalidKeyMaterial)?;
        DecodingKey::from_jwk(&jwk).map_err(|_| InvalidKeyMaterial)
    }

    /// Returns the public key as a JWK; `None` for a shared secret.
    pub fn public(&self) -> Result<Option<Jwk>, InvalidKeyMaterial> {
        if !self.algorithm.has_public_key() {
            return Ok(None);
        }
        let jwk = Jwk::from_encoding_key(&self.signer(), self.algorithm.library());
        jwk.map(Some).map_err(|_| InvalidKeyMaterial)
    }

    fn checked(self) -> Result<Self, InvalidKeyMaterial> {
        let usable = match self.algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&self.secret).is_ok(),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.secret).is_ok()
            }
            SigningAlgorithm::Rs256 => {
                RsaKeyPair::from_der(&self.secret).is_ok_and(|k| k.public_modulus_len() >= RSA_BYTES)
            }
            SigningAlgorithm::Hs256 => self.secret.len() >= HS256_BYTES,
        };
        if usable { Ok(self) } else { Err(InvalidKeyMaterial) }
    }
}

/// Returns the PKCS #1 key inside a PKCS #8 one, because jsonwebtoken signs with the former. It follows the
/// version and the algorithm identifier (RFC 5208, section 5).
fn rsa_private_key(pkcs8: &[u8]) -> Result<&[u8], InvalidKeyMaterial> {
    let fields = Sequence::from_der_and_then(pkcs8, |fields| {
        let (fields, _version) = u8::from_der(fields)?;
        let (fields, _algorithm) = Sequence::from_der(fields)?;
        <&[u8]>::from_der(fields)
    });
    let (_, inner) = fields.map_err(|_: asn1_rs::Err<asn1_rs::Error>| InvalidKeyMaterial)?;
    RsaKeyPair::from_der(inner).map(|_| inner).map_err(|_| InvalidKeyMaterial)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn material_is_restored_from_its_text_and_debug_does_not_reveal_it() {
        let mut random = rand::rngs::StdRng::from_seed([1; 32]);
        for algorithm in SigningAlgorithm::ALL {
            let material = KeyMaterial::generate(algorithm, &mut random).unwrap();
            let text = PlainKey::new(material.text().to_string());
            assert_eq!(KeyMaterial::from_text(algorithm, &text).unwrap().secret, material.secret);
            assert_eq!(material.public().unwrap().is_some(), algorithm.has_public_key());
            assert_eq!(format!("{material:?}"), format!("KeyMaterial({algorithm}, redacted)"));
        }
    }

    #[test]
    fn short_material_or_material_of_another_algorithm_is_refused() {
        let text = |bytes: &[u8]| PlainKey::new(STANDARD.encode(bytes));
        assert!(KeyMaterial::from_text(SigningAlgorithm::Hs256, &text(&[7; 31])).is_err());
        assert!(KeyMaterial::from_text(SigningAlgorithm::Hs256, &text(&[7; 32])).is_ok());
        let small = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let small = AsDer::<Pkcs8V1Der<'_>>::as_der(&small).unwrap();
        let small = rsa_private_key(small.as_ref()).unwrap();
        assert!(KeyMaterial::from_text(SigningAlgorithm::Rs256, &text(small)).is_err());
        assert!(KeyMaterial::from_text(SigningAlgorithm::EdDsa, &text(small)).is_err());
    }

    #[test]
    fn an_rsa_key_of_any_length_is_taken_out_of_pkcs_8_and_a_truncated_one_is_refused() {
        for size in [KeySize::Rsa2048, KeySize::Rsa4096] {
            let pair = RsaKeyPair::generate(size).unwrap();
            let whole = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
            let whole = whole.as_ref();
            assert!(RsaKeyPair::from_der(rsa_private_key(whole).unwrap()).is_ok());
            for end in [0, 1, 4, 26, whole.len() / 2, whole.len() - 1] {
                assert_eq!(rsa_private_key(&whole[..end]), Err(InvalidKeyMaterial), "{end}");
            }
        }
        let other = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap().to_pkcs8v1().unwrap();
        assert_eq!(rsa_private_key(other.as_ref()), Err(InvalidKeyMaterial));
    }
}
