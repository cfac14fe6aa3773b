//! Signing keys and their stages. A key is published before it signs, so that verifiers with a copy of the
//! key set know it in time. It signs until its successor does, and stays in the key set until the last token
//! that it signed has expired. A withdrawn key is out of force at once, with every token that it signed.

use std::fmt;
use std::time::Duration;

use rand::Rng;

use super::SigningAlgorithm;
use super::material::{InvalidKeyMaterial, KeyMaterial};
use crate::mint::random_text;
use crate::seal::{Sealed, Sealer};
use crate::time::Timestamp;

/// A signing key, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The identifier, `kid`.
    pub id: Box<str>,
    /// The profile whose tokens the key signs.
    pub profile: Box<str>,
    /// The algorithm.
    pub algorithm: SigningAlgorithm,
    /// The key material, sealed under the master key.
    pub sealed: Sealed,
    /// Time of creation. The key is published from then on.
    pub created: Timestamp,
    /// Time from which the key signs.
    pub signs_from: Timestamp,
    /// Time from which the key's successor signs.
    pub signs_until: Option<Timestamp>,
    /// Longest lifetime of a token that the key has signed.
    pub longest_ttl: Duration,
    /// Time at which the key was withdrawn.
    pub withdrawn: Option<Timestamp>,
}

/// Stage of a signing key at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStage {
    /// In the key set, and not signing yet.
    Published,
    /// Signing.
    Signing,
    /// Not signing any more, but verifying the tokens that it signed.
    Retired,
    /// Expired: no token that it signed is valid.
    Spent,
    /// Withdrawn, with every token that it signed.
    Withdrawn,
}

impl KeyStage {
    /// Returns the display name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Spent => "spent",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeyRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Tolerated difference between clocks. A key is not removed earlier than the tokens that verifiers with such
/// a clock still accept.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// Characters of a key's identifier: enough that no two are equal by chance.
const ID_LENGTH: usize = 22;

/// Returns whether a text has the form of a signing key's identifier.
#[must_use]
pub fn is_signing_key_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl SigningKeyRecord {
    /// Returns a new key of a profile with this material. It is published from `created` on and signs from
    /// `signs_from` on.
    pub fn new(
        profile: &str,
        material: &KeyMaterial,
        created: Timestamp,
        signs_from: Timestamp,
        sealer: &Sealer,
        random: &mut dyn Rng,
    ) -> Result<Self, InvalidKeyMaterial> {
        let id: Box<str> = random_text(ID_LENGTH, random).into();
        let sealed = sealer.seal(material.text().as_bytes(), &id, random).map_err(|_| InvalidKeyMaterial)?;
        Ok(Self {
            id,
            profile: profile.into(),
            algorithm: material.algorithm(),
            sealed,
            created,
            signs_from,
            signs_until: None,
            longest_ttl: Duration::ZERO,
            withdrawn: None,
        })
    }

    /// Returns the stage at `now`.
    #[must_use]
    pub fn stage(&self, now: Timestamp) -> KeyStage {
        match (self.withdrawn, self.signs_until) {
            (Some(_), _) => KeyStage::Withdrawn,
            (None, Some(end)) if end.plus(self.longest_ttl + CLOCK_SKEW) <= now => KeyStage::Spent,
            (None, Some(end)) if end <= now => KeyStage::Retired,
            (None, _) if self.signs_from > now => KeyStage::Published,
            (None, _) => KeyStage::Signing,
        }
    }

    /// Unseals the key material.
    pub fn material(&self, sealer: &Sealer) -> Result<KeyMaterial, InvalidKeyMaterial> {
        let text = sealer.open(&self.sealed, &self.id).map_err(|_| InvalidKeyMaterial)?;
        KeyMaterial::from_text(self.algorithm, &text)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_key_goes_from_published_to_spent_and_withdrawal_takes_precedence() {
        let mut random = rand::rngs::StdRng::from_seed([1; 32]);
        let material = KeyMaterial::generate(SigningAlgorithm::EdDsa, &mut random).unwrap();
        let sealer = Sealer::new(&[2; 32]);
        let (created, signs_from) = (Timestamp(0), Timestamp(1_000));
        let key = SigningKeyRecord::new("p", &material, created, signs_from, &sealer, &mut random);
        let mut key = key.unwrap();
        assert_eq!(key.stage(Timestamp(999)), KeyStage::Published);
        assert_eq!(key.stage(Timestamp(1_000)), KeyStage::Signing);
        (key.signs_until, key.longest_ttl) = (Some(Timestamp(2_000)), Duration::from_secs(1));
        assert_eq!(key.stage(Timestamp(1_999)), KeyStage::Signing);
        assert_eq!(key.stage(Timestamp(2_000)), KeyStage::Retired);
        assert_eq!(key.stage(Timestamp(62_999)), KeyStage::Retired);
        assert_eq!(key.stage(Timestamp(63_000)), KeyStage::Spent);
        key.withdrawn = Some(Timestamp(1));
        assert_eq!(key.stage(Timestamp(999)), KeyStage::Withdrawn);
        assert!(key.material(&sealer).is_ok());
        assert!(key.material(&Sealer::new(&[3; 32])).is_err());
    }
}
