//! Signing keys: created when a profile first needs one, rotated by schedule or by an operator, and withdrawn if they
//! have leaked. A key does not sign before every replica knows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::operator::OperatorRole;
use latchkey_core::policy::Policy;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Timestamp;
use latchkey_core::token::jwks::Jwks;
use latchkey_core::token::material::KeyMaterial;
use latchkey_core::token::{KeyRing, KeyStage, SigningKeyRecord, TokenRules, UnsealedSigningKey};

use super::{TokenIssuer, delete_batches};
use crate::missing::ObjectType;
use crate::ports::tokens::{TokenStore, run_blocking};
use crate::ports::{AuditAction, AuditEntry};
use crate::rotation::{PUBLISH_LEAD, SigningKeyRotation, withdraw_alone};
use crate::{CallContext, Caller};

/// Profile whose signing key is to be rotated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotateSigningKey {
    /// Name of the profile.
    pub profile: String,
    /// Time for which the new key is published before it signs; `None` for ten minutes.
    pub lead: Option<Duration>,
}

/// Longest time before a published key signs.
const LONGEST_LEAD: Duration = Duration::from_hours(30 * 24);

/// Reads the signing keys again; returns the identifiers of those that the master key does not decrypt. Followers
/// call this before a change of signing keys counts as applied.
pub async fn reload_signing_keys(
    store: &dyn TokenStore,
    sealer: &Sealer,
    cache: &ReplicaCache,
    now: Timestamp,
) -> Result<Vec<Box<str>>, SystemError> {
    let (key_ring, undecryptable) = KeyRing::open(store.signing_keys().await?, sealer, now);
    cache.set_key_ring(&Arc::new(key_ring));
    Ok(undecryptable)
}

impl TokenIssuer {
    /// Returns the key set of a profile, or that of all profiles if the name is empty, as this replica knows it.
    pub fn jwks(&self, profile: &str) -> Result<Arc<Jwks>, RequestError> {
        let named = Some(profile).filter(|profile| !profile.is_empty());
        let found = self.parts.cache.jwks(named);
        found.ok_or_else(|| self.parts.management.not_found(ObjectType::KeySet, profile))
    }

    /// Deletes the families that ended more than an hour ago; returns their number.
    pub async fn prune_families(&self) -> Result<u64, SystemError> {
        const HOUR: i64 = 3_600_000;
        let before = Timestamp(self.now().0 - HOUR);
        delete_batches(|| self.parts.store.prune_families(before)).await
    }

    /// Does what the schedule requires for a profile: creates a first key or a successor. Most calls change nothing.
    pub async fn maintain_signing_keys(&self, policy: &Policy) -> Result<(), ManagementError> {
        let Some(rules) = &policy.tokens else { return Ok(()) };
        let call = CallContext::default();
        self.signing_key(policy, rules, &call).await?;
        let key_ring = self.parts.cache.key_ring();
        let keys: Vec<_> =
            key_ring.iter().map(|k| k.record.clone()).filter(|k| *k.profile == *policy.name).collect();
        let now = self.now();
        if !(SigningKeyRotation { keys: &keys, rules, now }).is_due() {
            return Ok(());
        }
        let new_key = self.new_signing_key(policy, rules).await?;
        let rule = |keys: &[SigningKeyRecord]| {
            let rotation = SigningKeyRotation { keys, rules, now };
            // Another replica can have rotated the keys in the meantime.
            if rotation.is_due() { rotation.rotate(new_key, PUBLISH_LEAD) } else { Ok(Vec::new()) }
        };
        self.change(
            policy,
            Box::new(rule),
            self.system_audit_entry(AuditAction::SigningKeyRotate, policy),
            &call,
        )
        .await
    }

    /// Returns the key that signs a profile's tokens now, and creates one if there is none.
    pub(super) async fn signing_key(
        &self,
        policy: &Policy,
        rules: &TokenRules,
        call: &CallContext,
    ) -> Result<Arc<UnsealedSigningKey>, ManagementError> {
        let mine = |key_ring: &KeyRing| {
            let key = key_ring.signing(&policy.name, rules.algorithm, self.now());
            key.map(|key| (Arc::clone(key), key.record.longest_ttl >= rules.ttl))
        };
        let new_key = match mine(&self.parts.cache.key_ring()) {
            Some((key, true)) => return Ok(key),
            Some((_, false)) => None,
            None => Some(self.new_signing_key(policy, rules).await?),
        };
        let now = self.now();
        let rule =
            move |keys: &[SigningKeyRecord]| Ok(SigningKeyRotation { keys, rules, now }.ensure(new_key));
        self.change(
            policy,
            Box::new(rule),
            self.system_audit_entry(AuditAction::SigningKeyCreate, policy),
            call,
        )
        .await?;
        let key = mine(&self.parts.cache.key_ring()).map(|(key, _)| key);
        key.ok_or_else(|| SystemError::Internal(format!("{} has no signing key", policy.name)).into())
    }

    /// Returns an error if a key of the profile cannot sign by these rules; called before a document is applied. A
    /// key whose material is too short, or that the master key does not decrypt, cannot sign and must be withdrawn.
    pub async fn can_sign(&self, profile: &str, rules: &TokenRules) -> Result<(), ManagementError> {
        let now = self.now();
        let counts = |k: &SigningKeyRecord| {
            let in_turn = matches!(k.stage(now), KeyStage::Published | KeyStage::Signing);
            in_turn && *k.profile == *profile && k.algorithm == rules.algorithm
        };
        for key in self.parts.store.signing_keys().await?.keys.iter().filter(|k| counts(k)) {
            if key.material(&self.shared().sealer).is_err() {
                let text = format!(
                    "the profile's signing key {} can't sign with {}: it is too short, or was encrypted with \
                     another master key; withdraw it first",
                    key.id, key.algorithm
                );
                return Err(RequestError::FailedPrecondition(text).into());
            }
        }
        Ok(())
    }

    /// Lists all signing keys that have not expired, newest first. For operators.
    pub async fn signing_keys(&self, caller: &Caller) -> Result<Vec<SigningKeyRecord>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        let mut keys = self.parts.store.signing_keys().await?.keys;
        keys.sort_by_key(|k| std::cmp::Reverse((k.created, k.id.clone())));
        Ok(keys)
    }

    /// Publishes a new key, which replaces the present signing key after the lead time.
    pub async fn rotate_signing_key(
        &self,
        caller: &Caller,
        request: RotateSigningKey,
        call: &CallContext,
    ) -> Result<Vec<SigningKeyRecord>, ManagementError> {
        caller.require_operator()?;
        let lead = request.lead.unwrap_or(PUBLISH_LEAD);
        if lead > LONGEST_LEAD {
            let text = format!("{lead:?} is too long: write at most 2592000s (30 days)");
            return Err(RequestError::field("lead", text).into());
        }
        let (policy, rules) = self.token_policy(&request.profile)?;
        let new_key = self.new_signing_key(&policy, &rules).await?;
        let now = self.now();
        let entry = self
            .parts
            .management
            .audit_entry(caller, AuditAction::SigningKeyRotate, call)
            .on_target(&policy.name);
        let rule =
            |keys: &[SigningKeyRecord]| SigningKeyRotation { keys, rules: &rules, now }.rotate(new_key, lead);
        self.change(&policy, Box::new(rule), entry, call).await?;
        self.signing_keys(caller).await
    }

    /// Withdraws a key and thereby every token that it signed. No replica accepts them when this returns.
    pub async fn withdraw_signing_key(
        &self,
        caller: &Caller,
        id: &str,
        call: &CallContext,
    ) -> Result<Vec<SigningKeyRecord>, ManagementError> {
        caller.require_operator()?;
        let all = self.parts.store.signing_keys().await?.keys;
        let key = all
            .into_iter()
            .find(|k| *k.id == *id)
            .ok_or_else(|| self.parts.management.not_found(ObjectType::SigningKey, id))?;
        let policy = self.named_policy(&key.profile)?;
        // A key of a profile that issues no tokens any more stays in the key set until it is withdrawn.
        let successor = match &policy.tokens {
            Some(rules) => Some((rules, self.new_signing_key(&policy, rules).await?)),
            None => None,
        };
        let now = self.now();
        let entry = self
            .parts
            .management
            .audit_entry(caller, AuditAction::SigningKeyWithdraw, call)
            .on_target(&key.id);
        let rule = |keys: &[SigningKeyRecord]| match successor {
            Some((rules, new_key)) => SigningKeyRotation { keys, rules, now }.withdraw(id, new_key),
            None => withdraw_alone(keys, id, now),
        };
        self.change(&policy, Box::new(rule), entry, call).await?;
        self.signing_keys(caller).await
    }

    fn named_policy(&self, profile: &str) -> Result<Arc<Policy>, RequestError> {
        let not_found = || self.parts.management.not_found(ObjectType::Profile, profile);
        self.shared().policies.named(profile).ok_or_else(not_found)
    }

    fn token_policy(&self, profile: &str) -> Result<(Arc<Policy>, TokenRules), RequestError> {
        let policy = self.named_policy(profile)?;
        let rules = policy.tokens.clone();
        let none = || RequestError::FailedPrecondition(format!("the profile {profile:?} has no tokens"));
        Ok((policy, rules.ok_or_else(none)?))
    }

    async fn new_signing_key(
        &self,
        policy: &Policy,
        rules: &TokenRules,
    ) -> Result<SigningKeyRecord, ManagementError> {
        let algorithm = rules.algorithm;
        let mut random = (self.shared().random)();
        let generated = run_blocking(&*self.parts.blocking, move || {
            let material = KeyMaterial::generate(algorithm, &mut random);
            (material, random)
        });
        let (material, mut random) = generated.await?;
        let (now, sealer) = (self.now(), &self.shared().sealer);
        let record = material.and_then(|material| {
            SigningKeyRecord::new(&policy.name, &material, now, now, sealer, &mut random)
        });
        record.map_err(|error| SystemError::Internal(error.to_string()).into())
    }

    /// Changes a profile's signing keys. Every replica knows them, and this one uses them, when this returns.
    async fn change(
        &self,
        policy: &Policy,
        rule: crate::ports::tokens::SigningKeysUpdateFn<'_>,
        entry: AuditEntry,
        call: &CallContext,
    ) -> Result<(), ManagementError> {
        let written = self.parts.store.change_signing_keys(&policy.name, rule, self.now(), entry).await?;
        self.parts.management.wait_until_applied(written, call).await?;
        let (store, sealer) = (&*self.parts.store, &*self.shared().sealer);
        reload_signing_keys(store, sealer, &self.parts.cache, self.now()).await?;
        Ok(())
    }

    fn system_audit_entry(&self, action: AuditAction, policy: &Policy) -> AuditEntry {
        AuditEntry {
            time: self.now(),
            tenant: None,
            actor: "latchkey".to_owned(),
            caller: None,
            action,
            target: policy.name.to_string(),
            request_id: String::new(),
            details: BTreeMap::new(),
        }
    }
}
