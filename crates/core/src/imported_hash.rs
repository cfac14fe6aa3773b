//! Hashes by which other systems store their keys. SHA-256 is stored as it is, because Latchkey stores its own keys by it.
//! For any other algorithm, the hash by which a key is looked up is SHA-256 of the algorithm's name and the imported hash.
//! So a text whose SHA-256 happens to be an imported hash of another algorithm is not a key: for example, someone who
//! knows the inner hash of `sha256-of-hex` cannot send that instead of the key.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use sha2::{Digest, Sha256, Sha512};
use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::record::ProfileSecretRecord;
use crate::seal::{Sealed, Sealer, UnsealError};
use crate::secret::KeyHash;

/// Algorithm of the hashes of another system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256 of the value, which Latchkey uses itself.
    Sha256,
    /// SHA-512 of the value.
    Sha512,
    /// SHA-256 of the lower-case hexadecimal digits of SHA-256 of the value.
    Sha256OfHex,
    /// HMAC-SHA-256 of the value, with a secret (RFC 2104).
    HmacSha256,
}

impl HashAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 4] = [Self::Sha256, Self::Sha512, Self::Sha256OfHex, Self::HmacSha256];

    /// Returns the name in profiles and requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Sha256OfHex => "sha256-of-hex",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// Returns the algorithm of this name. Underscores are hyphens, and letter case does not count.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let name = match name.as_str() {
            "sha-256" => "sha256",
            "sha-512" => "sha512",
            "hmac-sha-256" => "hmac-sha256",
            other => other,
        };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns the number of bytes of a hash.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha512 => 64,
            Self::Sha256 | Self::Sha256OfHex | Self::HmacSha256 => 32,
        }
    }

    /// Returns the names of all algorithms, for an error.
    #[must_use]
    pub fn choices() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Returns the hash by which a key is looked up that is stored by this hash.
    #[must_use]
    pub fn lookup_hash(self, imported: &[u8]) -> KeyHash {
        if let (Self::Sha256, Ok(hash)) = (self, <[u8; 32]>::try_from(imported)) {
            return KeyHash(hash);
        }
        let mut hasher = Sha256::new();
        hasher.update(b"latchkey.imported_hash.v1 ");
        hasher.update(self.name().as_bytes());
        hasher.update(b" ");
        hasher.update(imported);
        KeyHash(hasher.finalize().into())
    }
}

/// Secret of an HMAC.
#[derive(Clone)]
pub struct HashSecret(hmac::Key);

impl HashSecret {
    /// Returns the secret with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Seals a secret of a profile. Any bytes can be a secret, so they are sealed in base64.
    pub fn seal(
        bytes: &[u8],
        (profile, name): (&str, &str),
        sealer: &Sealer,
        random: &mut dyn Rng,
    ) -> Result<Sealed, UnsealError> {
        let text = Zeroizing::new(STANDARD.encode(bytes));
        sealer.seal(text.as_bytes(), &seal_owner(profile, name), random)
    }

    /// Opens a secret of a profile.
    pub fn open(record: &ProfileSecretRecord, sealer: &Sealer) -> Result<Self, UnsealError> {
        let text = sealer.open(&record.sealed, &seal_owner(&record.profile, &record.name))?;
        let bytes = Zeroizing::new(STANDARD.decode(text.reveal()).map_err(|_| UnsealError)?);
        Ok(Self::new(&bytes))
    }
}

impl fmt::Debug for HashSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashSecret(redacted)")
    }
}

/// Returns the owner that the secret of a profile is sealed for. Names of profiles have no slash.
#[must_use]
pub fn seal_owner(profile: &str, name: &str) -> String {
    format!("profile secret {profile}/{name}")
}

/// Hash scheme by which another system stored the keys of a kind.
#[derive(Clone, Debug)]
pub struct HashScheme {
    /// The algorithm.
    pub algorithm: HashAlgorithm,
    /// Name of the secret; empty for an algorithm without one.
    pub secret_name: Box<str>,
    /// The secret; `None` until it is known here. Without it, no key is found by this scheme.
    pub secret: Option<HashSecret>,
}

impl HashScheme {
    /// Returns the scheme of an algorithm without a secret.
    #[must_use]
    pub fn plain(algorithm: HashAlgorithm) -> Self {
        Self { algorithm, secret_name: "".into(), secret: None }
    }

    /// Returns the hash by which a key of this value is looked up; `None` without the secret that it needs.
    #[must_use]
    pub fn lookup_hash_of(&self, value: &str) -> Option<KeyHash> {
        let hash = |imported: &[u8]| self.algorithm.lookup_hash(imported);
        match self.algorithm {
            HashAlgorithm::Sha256 => Some(KeyHash::of(value)),
            HashAlgorithm::Sha512 => Some(hash(&Sha512::digest(value.as_bytes()))),
            HashAlgorithm::Sha256OfHex => {
                let inner: [u8; 32] = Sha256::digest(value.as_bytes()).into();
                Some(hash(&Sha256::digest(hex(&inner))))
            }
            HashAlgorithm::HmacSha256 => {
                let HashSecret(key) = self.secret.as_ref()?;
                Some(hash(hmac::sign(key, value.as_bytes()).as_ref()))
            }
        }
    }
}

impl fmt::Display for HashScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        if self.secret_name.is_empty() { Ok(()) } else { write!(f, ":{}", self.secret_name) }
    }
}

impl PartialEq for HashScheme {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.secret_name) == (other.algorithm, &other.secret_name)
    }
}

impl Eq for HashScheme {}

/// Hashes by which a key of one value may be stored, besides the SHA-256 of the value.
pub type ImportedHashes = SmallVec<[KeyHash; 2]>;

fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
    std::array::from_fn(|n| digit(if n % 2 == 0 { bytes[n / 2] >> 4 } else { bytes[n / 2] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "abc";

    fn bytes(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|n| u8::from_str_radix(&digits[n..n + 2], 16).unwrap()).collect()
    }

    fn scheme(algorithm: HashAlgorithm, secret: &[u8]) -> HashScheme {
        let secret = (!secret.is_empty()).then(|| HashSecret::new(secret));
        HashScheme { secret, ..HashScheme::plain(algorithm) }
    }

    /// FIPS 180-4 and RFC 4231 (test case 2); the hash of the digits is from `printf ba78…15ad | sha256sum`.
    #[test]
    fn a_value_is_found_by_the_hash_that_the_other_system_stored() {
        let cases = [
            (
                HashAlgorithm::Sha256,
                "",
                VALUE,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                HashAlgorithm::Sha512,
                "",
                VALUE,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                HashAlgorithm::Sha256OfHex,
                "",
                VALUE,
                "dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c",
            ),
            (
                HashAlgorithm::HmacSha256,
                "Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ];
        for (algorithm, secret, value, stored) in cases {
            let expected = Some(algorithm.lookup_hash(&bytes(stored)));
            assert_eq!(scheme(algorithm, secret.as_bytes()).lookup_hash_of(value), expected, "{algorithm:?}");
        }
    }

    #[test]
    fn a_hash_of_one_algorithm_is_found_by_no_other() {
        let inner = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let twice = scheme(HashAlgorithm::Sha256OfHex, b"");
        // SHA-256 of the inner digits is what the other system stored, and must not let them pass as a key.
        assert_ne!(Some(KeyHash::of(inner)), twice.lookup_hash_of(VALUE));
        let hash = [7; 32];
        let all: Vec<KeyHash> = HashAlgorithm::ALL.map(|algorithm| algorithm.lookup_hash(&hash)).into();
        assert!((0..4).all(|n| (0..n).all(|m| all[n] != all[m])));
    }

    #[test]
    fn a_scheme_without_its_secret_finds_nothing() {
        assert_eq!(scheme(HashAlgorithm::HmacSha256, b"").lookup_hash_of(VALUE), None);
        assert_eq!(format!("{:?}", HashSecret::new(b"s3cret")), "HashSecret(redacted)");
    }

    #[test]
    fn an_algorithm_is_known_by_the_usual_spellings() {
        for name in ["hmac-sha256", "HMAC_SHA256", "hmac-sha-256"] {
            assert_eq!(HashAlgorithm::named(name), Some(HashAlgorithm::HmacSha256));
        }
        assert_eq!(HashAlgorithm::named("md5"), None);
        assert_eq!(HashAlgorithm::choices(), "sha256, sha512, sha256-of-hex, hmac-sha256");
    }
}
