//! Signing keys and their lives. A key is published before it signs, so that whoever verifies by a copy of the
//! key set knows it in time; it signs until its successor does; and it stays until the last token that it
//! signed has ended. Withdrawn, it is out at once, and every token with it.

use std::fmt;
use std::time::Duration;

use rand::Rng;

use super::SigningAlgorithm;
use super::material::{InvalidKeyMaterial, KeyMaterial};
use crate::mint::random_text;
use crate::seal::{Sealed, Sealer};
use crate::time::Timestamp;

/// A signing key as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its identifier, `kid`.
    pub id: Box<str>,
    /// The profile whose tokens it signs.
    pub profile: Box<str>,
    /// How.
    pub algorithm: SigningAlgorithm,
    /// Its material under the master key.
    pub sealed: Sealed,
    /// When it was made; it is published from then on.
    pub created: Timestamp,
    /// When it begins to sign.
    pub signs_from: Timestamp,
    /// When its successor began to.
    pub signs_until: Option<Timestamp>,
    /// The longest life of a token that it has signed.
    pub longest_ttl: Duration,
    /// When it was withdrawn.
    pub withdrawn: Option<Timestamp>,
}

/// What a signing key is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStage {
    /// In the key set, and not signing yet.
    Published,
    /// Signing.
    Signing,
    /// Verifying what it signed.
    Retired,
    /// Over: nothing that it signed is alive.
    Spent,
    /// Out, with everything that it signed.
    Withdrawn,
}

impl KeyStage {
    /// The word for people.
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

/// Clocks that differ by as much as tokens are forgiven don't take a key away too early.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// A key's name: enough characters that no two are alike.
const ID_LENGTH: usize = 22;

impl SigningKeyRecord {
    /// A new key of this material, that signs from a time on.
    pub fn new(
        (profile, algorithm): (&str, SigningAlgorithm),
        material: &KeyMaterial,
        (created, signs_from): (Timestamp, Timestamp),
        (sealer, random): (&Sealer, &mut dyn Rng),
    ) -> Result<Self, InvalidKeyMaterial> {
        let id: Box<str> = random_text(ID_LENGTH, random).into();
        let sealed = sealer.seal(material.text().as_bytes(), &id, random).map_err(|_| InvalidKeyMaterial)?;
        Ok(Self {
            id,
            profile: profile.into(),
            algorithm,
            sealed,
            created,
            signs_from,
            signs_until: None,
            longest_ttl: Duration::ZERO,
            withdrawn: None,
        })
    }

    /// What it is now.
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

    /// Its material, opened.
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
    fn a_key_goes_from_published_to_spent_and_withdrawn_outweighs_all() {
        let mut random = rand::rngs::StdRng::from_seed([1; 32]);
        let material = KeyMaterial::generate(SigningAlgorithm::EdDsa, &mut random).unwrap();
        let sealer = Sealer::new(&[2; 32]);
        let times = (Timestamp(0), Timestamp(1_000));
        let made =
            SigningKeyRecord::new(("p", SigningAlgorithm::EdDsa), &material, times, (&sealer, &mut random));
        let mut key = made.unwrap();
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
