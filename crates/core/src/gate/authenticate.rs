//! Who is it? Whether a credential is a key or a token is told by its form, once, before anything is looked
//! up. What is remembered costs no query, anything else one. Nothing about an unknown value is told to its
//! sender but that it isn't valid.

use std::sync::Arc;

use super::{Case, Gate, Judged, invalid_credential, order};
use crate::access::Presented;
use crate::policy::Policy;
use crate::ports::{KnownFamily, Limiter};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::record::TenantRecord;
use crate::secret::KeyHash;
use crate::token;
use crate::trouble::Trouble;

/// A caller whose credential is in order, and the policy to judge it by.
pub(super) struct Authenticated {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
}

/// A caller that is known, in order or not.
pub(super) struct Identified {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
    /// The family of its token, where it came by one.
    pub(super) family: Option<Arc<KnownFamily>>,
}

/// A credential, by its form.
pub(super) enum Form<'a> {
    Key(KeyHash),
    Token(&'a str),
}

impl<L: Limiter> Gate<L> {
    pub(super) async fn authenticate(
        &self,
        case: &mut Case<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<Judged<Authenticated>, Trouble> {
        let identified = match self.presented(case, given.as_deref()) {
            Ok(Form::Key(hash)) => self.by_key(&hash, case, given).await?,
            Ok(Form::Token(token)) => self.by_token(token, case, given).await?,
            Err(denial) => Err(denial),
        };
        let Identified { principal, policy, family } = match identified {
            Ok(identified) => identified,
            Err(denial) => return Ok(Err(denial)),
        };
        case.seen.principal = Some(principal.clone());
        case.seen.policy = Some(Arc::clone(&policy));
        let in_order = order::subject(case, &policy, &principal)
            .and_then(|()| order::family(case, &principal, family.as_deref()))
            .and_then(|()| order::tenant(case, &policy, &principal));
        case.seen.unproven = in_order.is_err();
        Ok(in_order.map(|()| Authenticated { principal, policy }))
    }

    /// A single credential that has the form of a key or of a token.
    fn presented<'a>(&self, case: &mut Case<'a, '_>, policy: Option<&Policy>) -> Judged<Form<'a>> {
        let value = match case.access.credential {
            Presented::Value(value) => value,
            Presented::Missing => return Err(case.fail("credential", Reason::MissingCredential)),
            Presented::Ambiguous => return Err(case.fail("credential", Reason::AmbiguousCredential)),
            Presented::Unreadable => return Err(case.fail("credential", Reason::InvalidCredential)),
        };
        if token::looks_like_one(value) && policy.is_none_or(|p| p.accepts.jwt) {
            case.trail.pass("credential", || "it has the form of a token".to_owned());
            return Ok(Form::Token(value));
        }
        let recognised = match policy {
            Some(policy) => policy.accepts.key && policy.recognises(value),
            None => self.parts.policies.recognises(value),
        };
        if !recognised {
            let detail = || "it does not have the form of any kind of key".to_owned();
            return Err(case.trail.fail_because("credential", invalid_credential(), detail));
        }
        case.trail.pass("credential", || "it has the form of a key".to_owned());
        Ok(Form::Key(KeyHash::of(value)))
    }

    async fn by_key(
        &self,
        hash: &KeyHash,
        case: &mut Case<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<Judged<Identified>, Trouble> {
        let Some((remembered, tenant)) = self.find(hash, case).await? else {
            let detail = || "no key has this value".to_owned();
            return Ok(Err(case.trail.fail_because("key", invalid_credential(), detail)));
        };
        let Some(policy) = self.policy_of(&tenant, given) else {
            let detail = || "the key belongs to another profile".to_owned();
            return Ok(Err(case.trail.fail_because("key", invalid_credential(), detail)));
        };
        let principal = Principal::by_key(tenant, remembered, Some(&policy));
        Ok(Ok(Identified { principal, policy, family: None }))
    }

    /// The policy that a tenant is judged by; none, where it isn't the one that the caller means.
    pub(super) fn policy_of(&self, tenant: &TenantRecord, given: Option<Arc<Policy>>) -> Option<Arc<Policy>> {
        let named = || self.parts.policies.named(&tenant.profile);
        given.or_else(named).filter(|p| *p.name == *tenant.profile)
    }
}
