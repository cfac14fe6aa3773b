//! Who is it? Whether a credential is a key or a token is told by its form, once, before anything is looked
//! up. What is remembered costs no query, anything else one. Nothing about an unknown value is told to its
//! sender but that it isn't valid.

use std::sync::Arc;

use super::{EvalContext, Gate, StepResult, invalid_credential, status};
use crate::check_input::PresentedCredential;
use crate::error::SystemError;
use crate::policy::Policy;
use crate::ports::{Limiter, TokenFamily};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::record::TenantRecord;
use crate::secret::KeyHash;
use crate::token;

/// A caller whose credential is in order, and the policy to judge it by.
pub(super) struct AuthenticatedCaller {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
}

/// A caller that is known, in order or not.
pub(super) struct IdentifiedCaller {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
    /// The family of its token, where it came by one.
    pub(super) family: Option<Arc<TokenFamily>>,
}

/// A credential, by its form.
pub(super) enum CredentialKind<'a> {
    Key(KeyHash),
    Token(&'a str),
}

impl<L: Limiter> Gate<L> {
    pub(super) async fn authenticate(
        &self,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<StepResult<AuthenticatedCaller>, SystemError> {
        let identified = match self.classify_credential(eval, given.as_deref()) {
            Ok(CredentialKind::Key(hash)) => self.authenticate_key(&hash, eval, given).await?,
            Ok(CredentialKind::Token(token)) => self.authenticate_jwt(token, eval, given).await?,
            Err(denial) => Err(denial),
        };
        let IdentifiedCaller { principal, policy, family } = match identified {
            Ok(identified) => identified,
            Err(denial) => return Ok(Err(denial)),
        };
        eval.context.principal = Some(principal.clone());
        eval.context.policy = Some(Arc::clone(&policy));
        let status = status::check_subject(eval, &policy, &principal)
            .and_then(|()| status::check_family(eval, &principal, family.as_deref()))
            .and_then(|()| status::check_tenant(eval, &policy, &principal));
        eval.context.principal_invalid = status.is_err();
        Ok(status.map(|()| AuthenticatedCaller { principal, policy }))
    }

    /// A single credential that has the form of a key or of a token.
    fn classify_credential<'a>(
        &self,
        eval: &mut EvalContext<'a, '_>,
        policy: Option<&Policy>,
    ) -> StepResult<CredentialKind<'a>> {
        let value = match eval.input.credential {
            PresentedCredential::Value(value) => value,
            PresentedCredential::Missing => return Err(eval.fail("credential", Reason::MissingCredential)),
            PresentedCredential::Ambiguous => {
                return Err(eval.fail("credential", Reason::AmbiguousCredential));
            }
            PresentedCredential::Malformed => return Err(eval.fail("credential", Reason::InvalidCredential)),
        };
        if token::looks_like_jwt(value) && policy.is_none_or(|p| p.accepts.jwt) {
            eval.explain.pass("credential", || "it has the form of a token".to_owned());
            return Ok(CredentialKind::Token(value));
        }
        let recognised = match policy {
            Some(policy) => policy.accepts.key && policy.matches_key_format(value),
            None => self.parts.policies.matches_key_format(value),
        };
        if !recognised {
            let detail = || "it does not have the form of any kind of key".to_owned();
            return Err(eval.explain.fail_with_detail("credential", invalid_credential(), detail));
        }
        eval.explain.pass("credential", || "it has the form of a key".to_owned());
        Ok(CredentialKind::Key(KeyHash::of(value)))
    }

    async fn authenticate_key(
        &self,
        hash: &KeyHash,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<StepResult<IdentifiedCaller>, SystemError> {
        let Some((remembered, tenant)) = self.lookup_key(hash, eval).await? else {
            let detail = || "no key has this value".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("key", invalid_credential(), detail)));
        };
        let Some(policy) = self.policy_of(&tenant, given) else {
            let detail = || "the key belongs to another profile".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("key", invalid_credential(), detail)));
        };
        let principal = Principal::from_key(tenant, remembered, Some(&policy));
        Ok(Ok(IdentifiedCaller { principal, policy, family: None }))
    }

    /// The policy that a tenant is judged by; none, where it isn't the one that the caller means.
    pub(super) fn policy_of(&self, tenant: &TenantRecord, given: Option<Arc<Policy>>) -> Option<Arc<Policy>> {
        let named = || self.parts.policies.named(&tenant.profile);
        given.or_else(named).filter(|p| *p.name == *tenant.profile)
    }
}
