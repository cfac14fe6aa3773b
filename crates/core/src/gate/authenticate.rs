//! Who is it? The credential's form costs no look-up; a remembered key costs none either; any other costs
//! one query. Nothing about an unknown value is told to its sender but that it isn't valid.

use std::sync::Arc;

use super::{Case, Gate, Judged};
use crate::access::Presented;
use crate::decision::{Denial, Principal};
use crate::id::TenantId;
use crate::memory::{Guard, Recall, Remembered};
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::reason::Reason;
use crate::record::{KeyLife, KeyState};
use crate::secret::KeyHash;
use crate::trouble::Trouble;

/// A caller whose key is in order, and the policy to judge it by.
pub(super) struct Authenticated {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
}

impl<L: Limiter> Gate<L> {
    pub(super) async fn authenticate(
        &self,
        case: &mut Case<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<Judged<Authenticated>, Trouble> {
        let hash = match self.presented(case, given.as_deref()) {
            Ok(hash) => hash,
            Err(denial) => return Ok(Err(denial)),
        };
        let Some((remembered, principal)) = self.find(&hash, case, given.as_deref()).await? else {
            let detail = || "no key has this value".to_owned();
            return Ok(Err(case.trail.fail_because("key", invalid(), detail)));
        };
        let named = || self.parts.policies.named(&principal.tenant.profile);
        let Some(policy) = given.or_else(named).filter(|p| *p.name == *principal.tenant.profile) else {
            let detail = || "the key belongs to another profile".to_owned();
            return Ok(Err(case.trail.fail_because("key", invalid(), detail)));
        };
        let principal = remembered.resolve(principal, &policy);
        case.seen.principal = Some(principal.clone());
        case.seen.policy = Some(Arc::clone(&policy));
        let in_order =
            key_in_order(case, &policy, &principal).and_then(|()| tenant_in_order(case, &policy, &principal));
        Ok(in_order.map(|()| Authenticated { principal, policy }))
    }

    /// The hash of a single credential that has the form of a key.
    fn presented(&self, case: &mut Case<'_, '_>, policy: Option<&Policy>) -> Judged<KeyHash> {
        let value = match case.access.credential {
            Presented::Value(value) => value,
            Presented::Missing => return Err(fail(case, "credential", Reason::MissingCredential)),
            Presented::Ambiguous => return Err(fail(case, "credential", Reason::AmbiguousCredential)),
            Presented::Unreadable => return Err(fail(case, "credential", Reason::InvalidCredential)),
        };
        let recognised = match policy {
            Some(policy) => policy.accepts.key && policy.recognises(value),
            None => self.parts.policies.recognises(value),
        };
        if !recognised {
            let detail = || "it does not have the form of any kind of key".to_owned();
            return Err(case.trail.fail_because("credential", invalid(), detail));
        }
        case.trail.pass("credential", || "it has the form of a key".to_owned());
        Ok(KeyHash::of(value))
    }

    /// The key of this hash and its tenant, from memory while that may be trusted.
    pub(super) async fn find(
        &self,
        hash: &KeyHash,
        case: &mut Case<'_, '_>,
        policy: Option<&Policy>,
    ) -> Result<Option<Found>, Trouble> {
        let memory = &self.parts.memory;
        if !memory.trusted(case.now.tick) {
            return self.read(hash, case, (policy, None)).await;
        }
        let recall = match memory.get(hash) {
            Some(known) => Recall::Known(known),
            None => memory.recall(hash).await,
        };
        match recall {
            Recall::Absent => Ok(None),
            Recall::Unknown(guard) => self.read(hash, case, (policy, Some(guard))).await,
            Recall::Known(known) => match known.principal() {
                Some(principal) => Ok(Some((known, principal))),
                // The tenant has changed; reading any of its keys brings it back.
                None => self.read(hash, case, (policy, None)).await,
            },
        }
    }

    /// One query; its answer is remembered under the guard. The answer itself is as read, even where memory
    /// has been told of a later change meanwhile: the call began before that.
    async fn read(
        &self,
        hash: &KeyHash,
        case: &mut Case<'_, '_>,
        (policy, guard): (Option<&Policy>, Option<Guard<'_>>),
    ) -> Result<Option<Found>, Trouble> {
        let found = self.parts.store.key_by_hash(hash).await?;
        let revision = found.revision;
        case.seen.revision = revision;
        let tenant = found.known.as_ref().map(|(_, tenant)| Arc::new(tenant.clone()));
        let entry = self.parts.memory.entry(found, policy);
        if let Some(guard) = guard {
            self.parts.memory.fill(guard, hash, entry.as_ref(), revision);
        }
        Ok(entry.zip(tenant).map(|(entry, tenant)| {
            let principal = entry.principal_of(tenant);
            (entry, principal)
        }))
    }
}

/// An entry of memory, and who it is now.
type Found = (Arc<Remembered>, Principal);

fn key_in_order(case: &mut Case<'_, '_>, policy: &Policy, who: &Principal) -> Judged<()> {
    let key = &who.key.record;
    if policy.kind(&key.kind).is_none() {
        let detail = || format!("the profile has no kind {:?} any more", key.kind);
        return Err(case.trail.fail_because("key", invalid(), detail));
    }
    let denial = match key.state(case.now.wall) {
        KeyState::Active => {
            case.trail.pass("key", || format!("{} is active", key.id));
            return Ok(());
        }
        KeyState::Revoked => Denial::plain(Reason::Revoked),
        KeyState::Disabled => Denial::plain(Reason::Disabled),
        KeyState::Expired => {
            let day = key.expires.unwrap_or_default().date();
            Denial::saying(Reason::Expired, format!("The credential expired on {day}."))
        }
    };
    let detail = || match (&key.life, key.expires) {
        (KeyLife::Revoked { at, .. }, _) => format!("{} was revoked at {at}", key.id),
        (KeyLife::Active | KeyLife::Disabled, Some(at)) if at <= case.now.wall => {
            format!("{} expired at {at}", key.id)
        }
        (KeyLife::Active | KeyLife::Disabled, _) => format!("{} is switched off", key.id),
    };
    let detail = detail();
    Err(case.trail.fail_because("key", denial, || detail))
}

fn tenant_in_order(case: &mut Case<'_, '_>, policy: &Policy, who: &Principal) -> Judged<()> {
    let tenant = &who.tenant;
    let named = match case.access.tenant {
        None | Some("") if policy.tenant_required => {
            return Err(fail(case, "tenant", Reason::TenantRequired));
        }
        None | Some("") => None,
        Some(name) => Some(name),
    };
    let id = |name: &str| name.parse::<TenantId>();
    let owns = named.is_none_or(|name| *name == *tenant.slug || id(name) == Ok(tenant.id));
    if !owns {
        return Err(fail(case, "tenant", Reason::TenantMismatch));
    }
    if tenant.suspended {
        return Err(fail(case, "tenant", Reason::TenantSuspended));
    }
    case.trail.pass("tenant", || format!("{} is the key's own", tenant.slug));
    Ok(())
}

fn fail(case: &mut Case<'_, '_>, step: &'static str, reason: Reason) -> Denial {
    case.trail.fail(step, Denial::plain(reason))
}

fn invalid() -> Denial {
    Denial::plain(Reason::InvalidCredential)
}
