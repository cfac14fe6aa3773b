//! Rules of the rotation of a profile's signing keys. Pure functions: from the present keys they return those that
//! change and those that are new. A key is published before it signs.

use std::time::Duration;

use latchkey_core::error::RequestError;
use latchkey_core::time::Timestamp;
use latchkey_core::token::{KeyStage, SigningAlgorithm, SigningKeyRecord, TokenRules};

/// Time for which a key is published before it signs: twice as long as a copy of the key set can be cached.
pub const PUBLISH_LEAD: Duration = Duration::from_mins(10);
/// Time for which a key signs before the schedule replaces it.
pub const ROTATION_PERIOD: Duration = Duration::from_hours(30 * 24);

/// A profile's signing keys at a moment.
pub struct SigningKeyRotation<'a> {
    /// Present keys.
    pub keys: &'a [SigningKeyRecord],
    /// Token rules of the profile.
    pub rules: &'a TokenRules,
    /// Present time.
    pub now: Timestamp,
}

impl SigningKeyRotation<'_> {
    fn at(&self, stage: KeyStage) -> impl Iterator<Item = &SigningKeyRecord> {
        let algorithm: SigningAlgorithm = self.rules.algorithm;
        self.keys.iter().filter(move |k| k.algorithm == algorithm && k.stage(self.now) == stage)
    }

    /// Ensures that a key of the profile's algorithm signs, and is kept long enough for the token lifetime. `new_key`
    /// is used if no key signs.
    #[must_use]
    pub fn ensure(&self, new_key: Option<SigningKeyRecord>) -> Vec<SigningKeyRecord> {
        let ttl = self.rules.ttl;
        let mut changed: Vec<_> =
            self.at(KeyStage::Signing).filter(|k| k.longest_ttl < ttl).cloned().collect();
        for key in &mut changed {
            key.longest_ttl = ttl;
        }
        if self.at(KeyStage::Signing).next().is_none()
            && let Some(new_key) = new_key
        {
            changed.extend(self.ended(self.now));
            changed.push(SigningKeyRecord { signs_from: self.now, longest_ttl: ttl, ..new_key });
        }
        changed
    }

    /// Publishes `new_key`, which replaces the present signing key after `lead`.
    pub fn rotate(
        &self,
        new_key: SigningKeyRecord,
        lead: Duration,
    ) -> Result<Vec<SigningKeyRecord>, RequestError> {
        if let Some(next) = self.at(KeyStage::Published).next() {
            let text = format!("{} is published already and signs from {}", next.id, next.signs_from);
            return Err(RequestError::FailedPrecondition(text));
        }
        let signs_from = self.now.plus(lead);
        let mut changed = self.ended(signs_from);
        changed.push(SigningKeyRecord { signs_from, longest_ttl: self.rules.ttl, ..new_key });
        Ok(changed)
    }

    /// Withdraws a key; changes nothing if it is withdrawn already. If it is the one that signs, the published key signs at
    /// once or, if there is none, `new_key`. If it is the published one, the key that signs goes on.
    pub fn withdraw(
        &self,
        id: &str,
        new_key: SigningKeyRecord,
    ) -> Result<Vec<SigningKeyRecord>, RequestError> {
        let key = named(self.keys, id)?;
        let mut changed = withdraw_alone(self.keys, id, self.now)?;
        if changed.is_empty() {
            return Ok(changed);
        }
        if self.at(KeyStage::Signing).all(|k| k.id == key.id) {
            let next = self.at(KeyStage::Published).find(|k| k.id != key.id).cloned().unwrap_or(new_key);
            changed.push(SigningKeyRecord { signs_from: self.now, longest_ttl: self.rules.ttl, ..next });
        } else if key.stage(self.now) == KeyStage::Published {
            // Otherwise the next key would sign without having been published before.
            let replaced = self.at(KeyStage::Signing).filter(|k| k.signs_until == Some(key.signs_from));
            changed.extend(replaced.map(|k| SigningKeyRecord { signs_until: None, ..k.clone() }));
        }
        Ok(changed)
    }

    /// Returns true if the schedule requires a successor.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let old =
            |k: &SigningKeyRecord| k.signs_from.plus(ROTATION_PERIOD) <= self.now && k.signs_until.is_none();
        self.at(KeyStage::Signing).any(old) && self.at(KeyStage::Published).next().is_none()
    }

    /// Returns the keys of any algorithm that sign without an end, with their end set to `at`.
    fn ended(&self, at: Timestamp) -> Vec<SigningKeyRecord> {
        let open = |k: &&SigningKeyRecord| k.signs_until.is_none() && k.stage(self.now) == KeyStage::Signing;
        let end = |k: &SigningKeyRecord| SigningKeyRecord { signs_until: Some(at), ..k.clone() };
        self.keys.iter().filter(open).map(end).collect()
    }
}

/// Withdraws a key of a profile that issues no tokens now, so that no other key has to sign; changes nothing if it is
/// withdrawn already.
pub fn withdraw_alone(
    keys: &[SigningKeyRecord],
    id: &str,
    now: Timestamp,
) -> Result<Vec<SigningKeyRecord>, RequestError> {
    let key = named(keys, id)?;
    let withdrawn = || SigningKeyRecord { withdrawn: Some(now), ..key.clone() };
    Ok(key.withdrawn.is_none().then(withdrawn).into_iter().collect())
}

fn named<'k>(keys: &'k [SigningKeyRecord], id: &str) -> Result<&'k SigningKeyRecord, RequestError> {
    keys.iter().find(|key| *key.id == *id).ok_or_else(|| RequestError::not_found("signing key", id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_core::seal::Sealed;
    use latchkey_core::token::TokenLimits;

    fn key(id: &str, from: i64) -> SigningKeyRecord {
        SigningKeyRecord {
            id: id.into(),
            profile: "p".into(),
            algorithm: SigningAlgorithm::EdDsa,
            sealed: Sealed(vec![]),
            created: Timestamp(0),
            signs_from: Timestamp(from),
            signs_until: None,
            longest_ttl: Duration::from_secs(60),
            withdrawn: None,
        }
    }

    fn rules(algorithm: SigningAlgorithm, seconds: u64) -> TokenRules {
        let ttl = Duration::from_secs(seconds);
        TokenRules {
            algorithm,
            issuer: "i".into(),
            audience: "a".into(),
            audiences: Vec::new(),
            ttl,
            refresh_ttl: ttl,
            limits: TokenLimits::default(),
        }
    }

    const NOW: Timestamp = Timestamp(1_000);

    #[test]
    fn a_key_is_made_once_and_kept_for_the_longest_token() {
        let rules = rules(SigningAlgorithm::EdDsa, 60);
        let none = SigningKeyRotation { keys: &[], rules: &rules, now: NOW };
        assert_eq!(none.ensure(Some(key("a", 0)))[0].signs_from, NOW);
        let keys = [key("a", 0)];
        assert!(
            SigningKeyRotation { keys: &keys, rules: &rules, now: NOW }.ensure(Some(key("b", 0))).is_empty()
        );
        let longer = TokenRules { ttl: Duration::from_secs(90), ..rules };
        let raised = SigningKeyRotation { keys: &keys, rules: &longer, now: NOW }.ensure(None);
        assert_eq!((raised.len(), raised[0].longest_ttl), (1, Duration::from_secs(90)));
    }

    #[test]
    fn another_algorithm_ends_the_key_before_it() {
        let (keys, rules) = ([key("a", 0)], rules(SigningAlgorithm::Es256, 60));
        let new_key = SigningKeyRecord { algorithm: SigningAlgorithm::Es256, ..key("b", 0) };
        let changed = SigningKeyRotation { keys: &keys, rules: &rules, now: NOW }.ensure(Some(new_key));
        assert_eq!((&*changed[0].id, changed[0].signs_until), ("a", Some(NOW)));
        assert_eq!(&*changed[1].id, "b");
    }

    #[test]
    fn a_successor_is_published_before_it_signs_and_one_at_a_time() {
        let (mut keys, rules) = (vec![key("a", 0)], rules(SigningAlgorithm::EdDsa, 60));
        let rotation = SigningKeyRotation { keys: &keys, rules: &rules, now: NOW };
        let changed = rotation.rotate(key("b", 0), Duration::from_secs(5)).unwrap();
        assert_eq!(changed[0].signs_until, Some(Timestamp(6_000)));
        assert_eq!((changed[1].signs_from, changed[1].stage(NOW)), (Timestamp(6_000), KeyStage::Published));
        keys = changed;
        let again = SigningKeyRotation { keys: &keys, rules: &rules, now: NOW };
        assert!(again.rotate(key("c", 0), PUBLISH_LEAD).is_err() && !again.is_due());
    }

    #[test]
    fn a_withdrawn_signer_is_replaced_at_once() {
        let (keys, rules) = (vec![key("a", 0), key("b", 9_000)], rules(SigningAlgorithm::EdDsa, 60));
        let rotation = SigningKeyRotation { keys: &keys, rules: &rules, now: NOW };
        let changed = rotation.withdraw("a", key("c", 0)).unwrap();
        assert_eq!((&*changed[1].id, changed[1].signs_from), ("b", NOW));
        assert_eq!(rotation.withdraw("b", key("c", 0)).unwrap().len(), 1);
        assert!(rotation.withdraw("x", key("c", 0)).is_err());
        let out = [SigningKeyRecord { withdrawn: Some(NOW), ..key("a", 0) }];
        let again = SigningKeyRotation { keys: &out, rules: &rules, now: NOW };
        assert_eq!(again.withdraw("a", key("c", 0)).unwrap(), []);
    }

    #[test]
    fn the_schedule_replaces_a_key_after_its_period() {
        let (keys, rules) = ([key("a", 0)], rules(SigningAlgorithm::EdDsa, 60));
        let at = |now| SigningKeyRotation { keys: &keys, rules: &rules, now }.is_due();
        assert!(!at(Timestamp(1_000)) && at(Timestamp(0).plus(ROTATION_PERIOD)));
    }

    #[test]
    fn the_present_key_goes_on_if_its_successor_is_withdrawn_before_it_signs() {
        let rules = rules(SigningAlgorithm::EdDsa, 60);
        let keys = [key("a", 0)];
        let rotation = SigningKeyRotation { keys: &keys, rules: &rules, now: NOW };
        let keys = rotation.rotate(key("b", 0), PUBLISH_LEAD).unwrap();
        assert!(keys[0].signs_until.is_some());
        let rotation = SigningKeyRotation { keys: &keys, rules: &rules, now: NOW };
        let changed = rotation.withdraw("b", key("c", 0)).unwrap();
        assert_eq!((&*changed[0].id, changed[0].withdrawn), ("b", Some(NOW)));
        assert_eq!((&*changed[1].id, changed[1].signs_until, changed.len()), ("a", None, 2));
    }

    #[test]
    fn a_key_is_withdrawn_once_and_without_a_successor_where_none_has_to_sign() {
        let mut keys = vec![key("a", 0), key("b", 0)];
        let changed = withdraw_alone(&keys, "a", NOW).unwrap();
        assert_eq!((&*changed[0].id, changed[0].withdrawn, changed.len()), ("a", Some(NOW), 1));
        keys[0] = changed[0].clone();
        assert_eq!(withdraw_alone(&keys, "a", Timestamp(2_000)), Ok(Vec::new()));
        assert!(withdraw_alone(&keys, "c", NOW).is_err());
    }
}
