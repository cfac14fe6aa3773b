//! Authenticates the caller. The format of the credential alone says whether it is a key or a JWT, before
//! anything is looked up. A cached key costs no query, any other key one query, or a few if its kind has hashes of another
//! system. The caller learns about an unknown value only that it is not valid.

use std::sync::Arc;

use super::value::FoundKey;
use super::{EvalContext, Gate, StepResult, invalid_credential, status};
use crate::check_input::PresentedCredential;
use crate::error::SystemError;
use crate::policy::Policy;
use crate::ports::{Limiter, TokenFamily};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::record::TenantRecord;
use crate::token;

/// A caller whose credential is valid, and the policy to evaluate the call by.
pub(super) struct AuthenticatedCaller {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
}

/// A caller that is known; its credential may be revoked, disabled or expired.
pub(super) struct IdentifiedCaller {
    pub(super) principal: Principal,
    pub(super) policy: Arc<Policy>,
    /// The token family, if the credential is a JWT.
    pub(super) family: Option<Arc<TokenFamily>>,
}

/// Credential by its format.
pub(super) enum CredentialKind<'a> {
    Key(&'a str),
    Token(&'a str),
}

impl<L: Limiter> Gate<L> {
    pub(super) async fn authenticate(
        &self,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<StepResult<AuthenticatedCaller>, SystemError> {
        let identified = match self.classify_credential(eval, given.as_deref()) {
            Ok(CredentialKind::Key(value)) => self.authenticate_key(value, eval, given).await?,
            Ok(CredentialKind::Token(token)) => self.authenticate_jwt(token, eval, given).await?,
            Err(denial) => Err(denial),
        };
        let IdentifiedCaller { principal, policy, family } = match identified {
            Ok(identified) => identified,
            Err(denial) => return Ok(Err(denial)),
        };
        eval.context.principal = Some(principal.clone());
        eval.context.policy = Some(Arc::clone(&policy));
        let status = status::check(eval, &policy, &principal, family.as_deref());
        eval.context.principal_invalid = status.is_err();
        Ok(status.map(|()| AuthenticatedCaller { principal, policy }))
    }

    /// Returns the kind of the credential, if there is exactly one and it has the format of a key or of a
    /// JWT.
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
            PresentedCredential::Malformed => {
                let detail = || {
                    "it is longer than 8 KiB, or has a character that no credential has, such as a space: the word \
                     Bearer is no part of a credential"
                        .to_owned()
                };
                return Err(eval.explain.fail_with_detail("credential", invalid_credential(), detail));
            }
            PresentedCredential::NotAKey => {
                let detail = || "it has the format of a JWT, and its source takes keys alone".to_owned();
                return Err(eval.explain.fail_with_detail("credential", invalid_credential(), detail));
            }
            PresentedCredential::NotAJwt => {
                let detail =
                    || "it does not have the format of a JWT, and its source takes JWTs alone".to_owned();
                return Err(eval.explain.fail_with_detail("credential", invalid_credential(), detail));
            }
        };
        if token::looks_like_jwt(value) && policy.is_none_or(|p| p.accepts.jwt) {
            eval.explain.pass("credential", || "it has the format of a JWT".to_owned());
            return Ok(CredentialKind::Token(value));
        }
        let matches_key = match policy {
            Some(policy) => policy.accepts_key(value),
            None => self.parts.policies.matches_key_format(value),
        };
        if !matches_key {
            let detail = || "it does not have the format of any kind of key".to_owned();
            return Err(eval.explain.fail_with_detail("credential", invalid_credential(), detail));
        }
        eval.explain.pass("credential", || "it has the format of a key".to_owned());
        Ok(CredentialKind::Key(value))
    }

    async fn authenticate_key(
        &self,
        value: &str,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<StepResult<IdentifiedCaller>, SystemError> {
        let found = match self.lookup_value(value, given.as_deref(), eval).await? {
            Ok(found) => found,
            Err(none) => {
                let detail = || none.to_string();
                return Ok(Err(eval.explain.fail_with_detail("key", invalid_credential(), detail)));
            }
        };
        let FoundKey { entry: (key, tenant), imported } = found;
        let classified = given.is_some();
        let Some(policy) = self.policy_of(&tenant, given) else {
            let detail = || "the key belongs to another profile".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("key", invalid_credential(), detail)));
        };
        // Without a given policy, the format was compared with those of all profiles.
        let accepted =
            classified || (policy.accepts_key(value) && policy.finds_by_hash(value, imported.as_ref()));
        if !accepted {
            let detail = || format!("the profile {:?} does not accept keys of this format", policy.name);
            return Ok(Err(eval.explain.fail_with_detail("key", invalid_credential(), detail)));
        }
        let principal = Principal::from_key(tenant, key, Some(&policy));
        Ok(Ok(IdentifiedCaller { principal, policy, family: None }))
    }

    /// Returns the policy of a tenant; `None` if the caller gave another profile's policy, or the profile is
    /// unknown.
    pub(super) fn policy_of(&self, tenant: &TenantRecord, given: Option<Arc<Policy>>) -> Option<Arc<Policy>> {
        let named = || self.parts.policies.named(&tenant.profile);
        given.or_else(named).filter(|p| *p.name == *tenant.profile)
    }
}
