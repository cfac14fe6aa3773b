//! Signing keys: made when a profile first needs one, replaced by schedule or by an operator's word, withdrawn
//! when one has leaked. A key signs nothing before every replica knows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::memory::Memory;
use latchkey_core::policy::Policy;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Timestamp;
use latchkey_core::token::jwks::Jwks;
use latchkey_core::token::material::Material;
use latchkey_core::token::{KeyStage, Ring, RingKey, SigningKeyRecord, TokenRules};
use latchkey_core::trouble::{Failure, Refusal, Trouble};

use super::TokenDesk;
use crate::ports::AuditEntry;
use crate::ports::tokens::{TokenLedger, work};
use crate::rotation::{LEAD, Rotation};
use crate::{CallContext, Caller};

/// Which profile's signing key to replace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotateSigningKey {
    /// The profile.
    pub profile: String,
    /// How long the new key is published before it signs; none: ten minutes.
    pub lead: Option<Duration>,
}

/// The longest time that a key waits to sign.
const LONGEST_LEAD: Duration = Duration::from_hours(30 * 24);

/// Reads the signing keys anew; answers those that the master key doesn't open. Whoever follows the feed does
/// this before a change of signing keys counts as applied.
pub async fn reload(
    (ledger, sealer): (&dyn TokenLedger, &Sealer),
    memory: &Memory,
    now: Timestamp,
) -> Result<Vec<Box<str>>, Trouble> {
    let (ring, spoiled) = Ring::open(ledger.signing_keys().await?, sealer, now);
    memory.set_ring(&Arc::new(ring));
    Ok(spoiled)
}

impl TokenDesk {
    /// The key set, as this replica knows it.
    #[must_use]
    pub fn jwks(&self) -> Arc<Jwks> {
        self.parts.memory.jwks()
    }

    /// Drops families that have been over for an hour, some at a time; answers how many.
    pub async fn sweep(&self) -> Result<u64, Trouble> {
        const HOUR: i64 = 3_600_000;
        self.parts.ledger.sweep(Timestamp(self.now().0 - HOUR)).await
    }

    /// Does what the schedule asks for a profile: a first key, a successor. Nothing, most of the time.
    pub async fn tend(&self, policy: &Policy) -> Result<(), Failure> {
        let Some(rules) = &policy.tokens else { return Ok(()) };
        let call = CallContext::default();
        self.signing_key(policy, rules, &call).await?;
        let ring = self.parts.memory.ring();
        let keys: Vec<_> =
            ring.iter().map(|k| k.record.clone()).filter(|k| *k.profile == *policy.name).collect();
        let now = self.now();
        if !(Rotation { keys: &keys, rules, now }).due() {
            return Ok(());
        }
        let fresh = self.fresh(policy, rules).await?;
        let rule = |keys: &[SigningKeyRecord]| {
            let rotation = Rotation { keys, rules, now };
            // Another replica may have been faster.
            if rotation.due() { rotation.rotate(fresh, LEAD) } else { Ok(Vec::new()) }
        };
        self.change(policy, Box::new(rule), self.by_itself("signing_key.rotate", policy), &call).await
    }

    /// The key that signs a profile's tokens now; it is made where there is none.
    pub(super) async fn signing_key(
        &self,
        policy: &Policy,
        rules: &TokenRules,
        call: &CallContext,
    ) -> Result<Arc<RingKey>, Failure> {
        let mine = |ring: &Ring| {
            let key = ring.signing(&policy.name, rules.algorithm, self.now());
            key.map(|key| (Arc::clone(key), key.record.longest >= rules.ttl))
        };
        let fresh = match mine(&self.parts.memory.ring()) {
            Some((key, true)) => return Ok(key),
            Some((_, false)) => None,
            None => Some(self.fresh(policy, rules).await?),
        };
        let now = self.now();
        let rule = move |keys: &[SigningKeyRecord]| Ok(Rotation { keys, rules, now }.ensure(fresh));
        self.change(policy, Box::new(rule), self.by_itself("signing_key.create", policy), call).await?;
        let key = mine(&self.parts.memory.ring()).map(|(key, _)| key);
        key.ok_or_else(|| Trouble::Fault(format!("{} has no signing key", policy.name)).into())
    }

    /// Whether the keys that a profile has can sign as it says: asked before a document of it is applied. One
    /// whose material is too short, or that the master key doesn't open, signs nothing, and must be withdrawn.
    pub async fn can_sign(&self, profile: &str, rules: &TokenRules) -> Result<(), Failure> {
        let now = self.now();
        let counts = |k: &SigningKeyRecord| {
            let in_turn = matches!(k.stage(now), KeyStage::Published | KeyStage::Signing);
            in_turn && *k.profile == *profile && k.algorithm == rules.algorithm
        };
        for key in self.parts.ledger.signing_keys().await?.keys.iter().filter(|k| counts(k)) {
            if key.material(&self.shared().sealer).is_err() {
                let text = format!(
                    "the profile's signing key {} can't sign with {}: it is too short, or was sealed with \
                     another master key; withdraw it first",
                    key.id, key.algorithm
                );
                return Err(Refusal::Precondition(text).into());
            }
        }
        Ok(())
    }

    /// Every signing key that is not over, newest first. For operators.
    pub async fn signing_keys(&self, by: &Caller) -> Result<Vec<SigningKeyRecord>, Failure> {
        by.operator()?;
        let mut keys = self.parts.ledger.signing_keys().await?.keys;
        keys.sort_by_key(|k| std::cmp::Reverse((k.created, k.id.clone())));
        Ok(keys)
    }

    /// Publishes a new key, which signs after a while in place of the one that signs now.
    pub async fn rotate_signing_key(
        &self,
        by: &Caller,
        ask: RotateSigningKey,
        call: &CallContext,
    ) -> Result<Vec<SigningKeyRecord>, Failure> {
        by.operator()?;
        let lead = ask.lead.unwrap_or(LEAD);
        if lead > LONGEST_LEAD {
            return Err(Refusal::field("lead", "must be at most 30 days").into());
        }
        let (policy, rules) = self.with_tokens(&ask.profile)?;
        let fresh = self.fresh(&policy, &rules).await?;
        let now = self.now();
        let entry = self.parts.registrar.entry(by, "signing_key.rotate", call).to(&policy.name);
        let rule = |keys: &[SigningKeyRecord]| Rotation { keys, rules: &rules, now }.rotate(fresh, lead);
        self.change(&policy, Box::new(rule), entry, call).await?;
        self.signing_keys(by).await
    }

    /// Takes a key out, with every token that it signed, everywhere when this returns.
    pub async fn withdraw_signing_key(
        &self,
        by: &Caller,
        id: &str,
        call: &CallContext,
    ) -> Result<Vec<SigningKeyRecord>, Failure> {
        by.operator()?;
        let all = self.parts.ledger.signing_keys().await?.keys;
        let key = all.into_iter().find(|k| *k.id == *id).ok_or(Refusal::NotFound("signing key"))?;
        let (policy, rules) = self.with_tokens(&key.profile)?;
        let fresh = self.fresh(&policy, &rules).await?;
        let now = self.now();
        let entry = self.parts.registrar.entry(by, "signing_key.withdraw", call).to(&key.id);
        let rule = |keys: &[SigningKeyRecord]| Rotation { keys, rules: &rules, now }.withdraw(id, fresh);
        self.change(&policy, Box::new(rule), entry, call).await?;
        self.signing_keys(by).await
    }

    fn with_tokens(&self, profile: &str) -> Result<(Arc<Policy>, TokenRules), Refusal> {
        let policy = self.shared().policies.named(profile).ok_or(Refusal::NotFound("profile"))?;
        let rules = policy.tokens.clone();
        let none = || Refusal::Precondition(format!("the profile {profile:?} has no tokens"));
        Ok((policy, rules.ok_or_else(none)?))
    }

    async fn fresh(&self, policy: &Policy, rules: &TokenRules) -> Result<SigningKeyRecord, Failure> {
        let algorithm = rules.algorithm;
        let mut random = (self.shared().random)();
        let made = work(&*self.parts.workers, move || {
            let material = Material::generate(algorithm, &mut random);
            (material, random)
        });
        let (material, mut random) = made.await?;
        let (now, sealer) = (self.now(), &self.shared().sealer);
        let record = material.and_then(|material| {
            let names = (&*policy.name, algorithm);
            SigningKeyRecord::new(names, &material, (now, now), (sealer, &mut random))
        });
        record.map_err(|error| Trouble::Fault(error.to_string()).into())
    }

    /// Changes a profile's signing keys. When this returns, every replica knows them, and this one uses them.
    async fn change(
        &self,
        policy: &Policy,
        rule: crate::ports::tokens::SigningKeysRule<'_>,
        entry: AuditEntry,
        call: &CallContext,
    ) -> Result<(), Failure> {
        let written = self.parts.ledger.change_signing_keys(&policy.name, (rule, self.now()), entry).await?;
        self.parts.registrar.spread(written, call).await?;
        let shared = (&*self.parts.ledger, &*self.shared().sealer);
        reload(shared, &self.parts.memory, self.now()).await?;
        Ok(())
    }

    fn by_itself(&self, action: &'static str, policy: &Policy) -> AuditEntry {
        AuditEntry {
            time: self.now(),
            tenant: None,
            actor: "latchkey".to_owned(),
            action,
            target: policy.name.to_string(),
            request_id: String::new(),
            details: BTreeMap::new(),
        }
    }
}
