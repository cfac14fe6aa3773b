//! Lookup of the key or user that a token is issued to. The error does not say why a credential is rejected.

use std::sync::Arc;

use latchkey_core::cache::Cached;
use latchkey_core::cached_key::CachedKey;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::UserId;
use latchkey_core::policy::Policy;
use latchkey_core::ports::HashUse;
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyRecord, KeyState, TenantRecord};
use latchkey_core::same_value;
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::token::TokenRules;
use latchkey_core::user::UserRecord;

use super::{INVALID_CREDENTIAL, TokenIssuer};
use crate::CallContext;

/// Key or user that tokens can be issued to, with its profile.
pub(super) struct Holder {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
    pub(super) rules: TokenRules,
}

impl TokenIssuer {
    /// Returns the holder of a key's value, which is looked up by all of its hashes, as for a Check.
    pub(super) async fn key_holder(
        &self,
        value: &PlainKey,
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, ManagementError> {
        if !self.shared().policies.matches_key_format(value.reveal()) {
            return Err(INVALID_CREDENTIAL.into());
        }
        let text = value.reveal();
        let own = value.hash();
        let (key, owner) = self.key_of(&own, &self.shared().policies.imported_hashes(text)).await?;
        let imported = Some(key.hash).filter(|hash| *hash != own);
        let holder = self.active_key(Some((key, owner)), tenant, call)?;
        // The format must be one that the tenant's own profile has now, as it must for a Check.
        if holder.policy.matches_key_format(text) && holder.policy.finds_by_hash(text, imported.as_ref()) {
            return Ok(holder);
        }
        Err(INVALID_CREDENTIAL.into())
    }

    /// Returns the key that a value with these hashes identifies, by the rule of [`same_value`].
    async fn key_of(
        &self,
        own: &KeyHash,
        imported: &[KeyHash],
    ) -> Result<(KeyRecord, TenantRecord), ManagementError> {
        let (mut found, mut absent) = (Vec::new(), Vec::new());
        for hash in std::iter::once(own).chain(imported) {
            match self.parts.keys.key_by_hash(hash).await?.entry {
                Some(entry) => found.push(entry),
                None => absent.push(*hash),
            }
        }
        let now = self.now();
        let Ok(Some(entry)) = same_value::deciding(found, |(key, _)| key.state(now)) else {
            return Err(INVALID_CREDENTIAL.into());
        };
        // A deletion makes no value valid.
        if !absent.is_empty() {
            let uses = self.parts.keys.uses_of_hashes(&absent).await?.uses;
            if uses.contains(&HashUse::Deleted) {
                return Err(INVALID_CREDENTIAL.into());
            }
        }
        Ok(entry)
    }

    /// Returns the key with this hash as a holder.
    pub(super) async fn key(
        &self,
        hash: &KeyHash,
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, ManagementError> {
        self.active_key(self.parts.keys.key_by_hash(hash).await?.entry, tenant, call)
    }

    fn active_key(
        &self,
        found: Option<(KeyRecord, TenantRecord)>,
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, ManagementError> {
        let (key, owner) = known(found, tenant, call)?;
        if key.state(self.now()) != KeyState::Active {
            return Err(INVALID_CREDENTIAL.into());
        }
        let key = Cached::key(key, &owner);
        let holder = self.holder(owner, |owner, policy| Principal::from_key(owner, key, Some(policy)))?;
        // A key whose value is not known here must still be one that the profile takes.
        if !holder.principal.key().is_some_and(|key| holder.policy.may_begin_with(&key.shared.prefix)) {
            return Err(INVALID_CREDENTIAL.into());
        }
        // As for traffic and for management. A token does not contain the networks, so a service that verifies it
        // by itself cannot check them.
        if !holder.principal.is_allowed_from(call.address.map(|address| address.to_canonical())) {
            return Err(INVALID_CREDENTIAL.into());
        }
        self.in_force(holder)
    }

    /// Returns the user with this identifier as a holder.
    pub(super) async fn user(
        &self,
        id: UserId,
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, ManagementError> {
        let (user, owner) = known(self.parts.keys.user_by_id(id).await?.entry, tenant, call)?;
        if user.disabled {
            return Err(INVALID_CREDENTIAL.into());
        }
        let user = Cached::user(user);
        let holder = self.holder(owner, |owner, policy| Principal::from_user(owner, user, policy))?;
        self.in_force(holder)
    }

    /// Returns the holder if its credential is in force, by the rule that holds for traffic too.
    fn in_force(&self, holder: Holder) -> Result<Holder, ManagementError> {
        match holder.principal.in_force(&holder.policy, None, self.now()) {
            Ok(()) => Ok(holder),
            Err(_) => Err(INVALID_CREDENTIAL.into()),
        }
    }

    fn holder(
        &self,
        owner: TenantRecord,
        principal: impl FnOnce(Arc<TenantRecord>, &Policy) -> Principal,
    ) -> Result<Holder, ManagementError> {
        let policy = self.parts.management.policy_of(&owner)?;
        let rules = policy.tokens.clone().filter(|_| policy.accepts.jwt).ok_or_else(|| {
            RequestError::FailedPrecondition(format!("the profile {:?} has no tokens", policy.name))
        })?;
        Ok(Holder { principal: principal(Arc::new(owner), &policy), policy, rules })
    }
}

/// Returns the record and its tenant, if the tenant is the one that was named, is one that the call may be for, and is not
/// suspended.
fn known<R>(
    found: Option<(R, TenantRecord)>,
    named: &str,
    call: &CallContext,
) -> Result<(R, TenantRecord), RequestError> {
    let (record, owner) = found.ok_or(INVALID_CREDENTIAL)?;
    let same = named.is_empty() || *named == *owner.slug || named.parse() == Ok(owner.id);
    if same && call.is_for(&owner.profile) && !owner.suspended {
        Ok((record, owner))
    } else {
        Err(INVALID_CREDENTIAL)
    }
}

/// Returns the subject that tokens name; `None` for a certificate, which gets no tokens.
pub(super) fn parent(principal: &Principal) -> Option<latchkey_core::token::TokenSubject> {
    match &principal.subject {
        latchkey_core::principal::Subject::Key(key) => {
            Some(latchkey_core::token::TokenSubject::Key(key.record.id))
        }
        latchkey_core::principal::Subject::User(user) => {
            Some(latchkey_core::token::TokenSubject::User(user.record.id))
        }
        latchkey_core::principal::Subject::Certificate(_) => None,
    }
}

/// Returns the generation of a user's password; 0 for a key, whose secret does not change.
pub(super) fn generation(principal: &Principal) -> u64 {
    principal.user().map_or(0, |user: &UserRecord| user.generation)
}

/// Returns the expiry of a key; `None` for a user.
pub(super) fn key_expiry(principal: &Principal) -> Option<latchkey_core::time::Timestamp> {
    principal.key().and_then(|key: &CachedKey| key.expires)
}
