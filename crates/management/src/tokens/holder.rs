//! Whom a token is to stand for: a key or a user, in order now. What is wrong with it isn't told.

use std::sync::Arc;

use latchkey_core::brief::KeyBrief;
use latchkey_core::id::UserId;
use latchkey_core::memory::Remembered;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Found;
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyState, TenantRecord, TenantRef};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::token::TokenRules;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_core::user::{UserRecord, canonical_email};
use latchkey_core::witness::{Event, Login};

use super::{BAD, TokenDesk};
use crate::CallContext;
use crate::password::{self, PlainPassword};
use crate::ports::tokens::work;

/// Someone that tokens can be issued to.
pub(super) struct Holder {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
    pub(super) rules: TokenRules,
}

/// The longest password that is looked at.
const LONGEST_PASSWORD: usize = 1024;

impl TokenDesk {
    /// The holder of a key's value.
    pub(super) async fn key_holder(&self, value: &PlainKey, tenant: &str) -> Result<Holder, Failure> {
        if !self.shared().policies.recognises(value.reveal()) {
            return Err(BAD.into());
        }
        self.key(&value.hash(), tenant).await
    }

    /// The key of this hash.
    pub(super) async fn key(&self, hash: &KeyHash, tenant: &str) -> Result<Holder, Failure> {
        let (key, owner) = known(self.parts.keys.key_by_hash(hash).await?, tenant)?;
        if key.state(self.now()) != KeyState::Active {
            return Err(BAD.into());
        }
        let key = Remembered::key(key, &owner);
        let holder = self.holder(owner, |owner, policy| Principal::by_key(owner, key, Some(policy)))?;
        let kind = holder.principal.kind();
        if holder.policy.kind(kind).is_none() { Err(BAD.into()) } else { Ok(holder) }
    }

    /// The user of this identifier.
    pub(super) async fn user(&self, id: UserId, tenant: &str) -> Result<Holder, Failure> {
        let (user, owner) = known(self.parts.keys.user_by_id(id).await?, tenant)?;
        if user.disabled {
            return Err(BAD.into());
        }
        let user = Remembered::user(user);
        self.holder(owner, |owner, policy| Principal::by_user(owner, user, policy))
    }

    /// The user of an e-mail address and a password. Whoever fails, fails after the same work.
    pub(super) async fn password_holder(
        &self,
        (email, password): (&str, PlainPassword),
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, Failure> {
        let came_to = |login| self.noted(Event::Login(login));
        if password.text().len() > LONGEST_PASSWORD {
            came_to(Login::Wrong);
            return Err(BAD.into());
        }
        let owner = match TenantRef::parse(tenant) {
            Some(named) => self.shared().ledger.tenant(&named).await?,
            None => None,
        };
        let attempt = match (&owner, canonical_email(email)) {
            (Some(owner), Some(email)) => {
                let lock = self.told("latchkey", "user.lock", owner.id).during(&call.request_id);
                self.parts.ledger.attempt(owner.id, &email, lock).await?
            }
            (Some(_) | None, _) => None,
        };
        let kept = attempt.as_ref().filter(|a| a.allowed).map(|a| a.password.clone());
        let verified = work(&*self.parts.workers, move || password::verify(&password, kept.as_ref())).await;
        if let Err(Failure::Refused(Refusal::Busy(_))) = &verified {
            came_to(Login::Busy);
        }
        let right = verified?;
        let locked = attempt.as_ref().is_some_and(|attempt| !attempt.allowed);
        let Some(user) = attempt.filter(|attempt| right && attempt.allowed).map(|a| a.user) else {
            came_to(if locked { Login::Locked } else { Login::Wrong });
            return Err(BAD.into());
        };
        self.parts.ledger.forgive(user.id).await?;
        came_to(Login::Right);
        self.user(user.id, tenant).await
    }

    fn holder(
        &self,
        owner: TenantRecord,
        principal: impl FnOnce(Arc<TenantRecord>, &Policy) -> Principal,
    ) -> Result<Holder, Failure> {
        let policy = self.parts.registrar.policy_of(&owner)?;
        let rules =
            policy.tokens.clone().filter(|_| policy.accepts.jwt).ok_or_else(|| {
                Refusal::Precondition(format!("the profile {:?} has no tokens", policy.name))
            })?;
        Ok(Holder { principal: principal(Arc::new(owner), &policy), policy, rules })
    }
}

/// What was found, if it belongs to the tenant that was named, and that may do anything.
fn known<R>(found: Found<R>, named: &str) -> Result<(R, TenantRecord), Refusal> {
    let (record, owner) = found.known.ok_or(BAD)?;
    let same = named.is_empty() || *named == *owner.slug || named.parse() == Ok(owner.id);
    if same && !owner.suspended { Ok((record, owner)) } else { Err(BAD) }
}

/// What tokens see of a key or user; a certificate has none.
pub(super) fn parent(who: &Principal) -> Option<latchkey_core::token::Parent> {
    match &who.subject {
        latchkey_core::principal::Subject::Key(key) => Some(latchkey_core::token::Parent::Key(key.record.id)),
        latchkey_core::principal::Subject::User(user) => {
            Some(latchkey_core::token::Parent::User(user.record.id))
        }
        latchkey_core::principal::Subject::Certificate(_) => None,
    }
}

/// The generation of a user's password; a key has one alone.
pub(super) fn generation(who: &Principal) -> u64 {
    who.user().map_or(0, |user: &UserRecord| user.generation)
}

/// When a key stops.
pub(super) fn last(who: &Principal) -> Option<latchkey_core::time::Timestamp> {
    who.key().and_then(|key: &KeyBrief| key.expires)
}
