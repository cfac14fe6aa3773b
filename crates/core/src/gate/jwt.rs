//! Who is it, by a token? The signature is checked once and remembered; whether the key that signed, the
//! family, and the key or user behind the token are still there is asked at every call, of memory.

use std::sync::Arc;

use super::authenticate::IdentifiedCaller;
use super::{EvalContext, Gate, StepResult, invalid_credential};
use crate::cache::tokens::VerifiedToken;
use crate::decision::Denial;
use crate::error::SystemError;
use crate::policy::Policy;
use crate::ports::{Limiter, TokenFamily};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::token::{self, Claims, TokenError, TokenSubject};

impl<L: Limiter> Gate<L> {
    pub(super) async fn authenticate_jwt(
        &self,
        token: &str,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<StepResult<IdentifiedCaller>, SystemError> {
        let (bearer, policy) = match self.verify_for_profile(token, eval, given) {
            Ok(signed) => signed,
            Err(denial) => return Ok(Err(denial)),
        };
        let ids = bearer.verified.ids;
        let family = self.lookup_family(ids.family, &bearer.verified.kid, eval).await?;
        let mine = |f: &Arc<TokenFamily>| f.record.parent == ids.parent && f.record.tenant == ids.tenant;
        let Some(family) = family.filter(mine) else {
            let detail = || "its family or its signing key is gone".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("token", invalid_credential(), detail)));
        };
        let Some(principal) = self.load_principal(&bearer, &family, (eval, &policy)).await? else {
            let detail = || "nothing stands behind it any more".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("token", invalid_credential(), detail)));
        };
        if *principal.tenant.profile != *policy.name {
            let detail = || "its tenant belongs to another profile".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("token", invalid_credential(), detail)));
        }
        eval.explain.pass("token", || format!("signed by {}, for {}", bearer.verified.kid, ids.parent));
        Ok(Ok(IdentifiedCaller { principal, policy, family: Some(family) }))
    }

    /// A token with a right signature, of now, for this profile.
    fn verify_for_profile(
        &self,
        token: &str,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> StepResult<(Arc<VerifiedToken>, Arc<Policy>)> {
        let denied = |eval: &mut EvalContext<'_, '_>, error: TokenError| {
            eval.explain.fail_with_detail("token", invalid_credential(), || error.to_string())
        };
        let bearer = match self.verify_cached(token) {
            Ok(bearer) => bearer,
            Err(error) => return Err(denied(eval, error)),
        };
        let profile = &bearer.verified.profile;
        let policy = given.or_else(|| self.parts.policies.named(profile));
        let fits = |p: &Arc<Policy>| p.name == (**profile).into() && p.accepts.jwt;
        let Some(policy) = policy.filter(fits).filter(|p| has_audience_of(&bearer.verified.claims, p)) else {
            return Err(denied(eval, TokenError::Audience));
        };
        match token::check_validity_period(&bearer.verified.claims, eval.now.wall) {
            Ok(()) => Ok((bearer, policy)),
            Err(TokenError::Expired) => Err(expired_denial(eval, &bearer.verified.claims)),
            Err(error) => Err(denied(eval, error)),
        }
    }

    /// The token, read before or read now. That its key is still in force is asked each time.
    fn verify_cached(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.len() > token::MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let tokens = self.parts.cache.tokens();
        let key_ring = tokens.key_ring();
        match tokens.verified_token(token) {
            Ok(bearer) => key_ring.get(&bearer.verified.kid).map(|_| bearer).ok_or(TokenError::UnknownKey),
            Err(fingerprint) => {
                let bearer = Arc::new(VerifiedToken::new(token::verify(token, &key_ring)?));
                tokens.insert_verified(fingerprint, &bearer);
                Ok(bearer)
            }
        }
    }

    /// The key or user that a token stands for, with what is left of its scopes.
    async fn load_principal(
        &self,
        bearer: &VerifiedToken,
        family: &TokenFamily,
        (eval, policy): (&mut EvalContext<'_, '_>, &Policy),
    ) -> Result<Option<Principal>, SystemError> {
        let principal = match (bearer.verified.ids.parent, &family.key) {
            (TokenSubject::Key(id), Some(hash)) => {
                let found = self.lookup_key(hash, eval).await?;
                let found = found.map(|(key, tenant)| Principal::from_key(tenant, key, Some(policy)));
                found.filter(|p| p.key().is_some_and(|key| key.id == id))
            }
            (TokenSubject::User(id), _) => {
                let found = self.lookup_user(id, eval).await?;
                found.map(|(user, tenant)| Principal::from_user(tenant, user, policy))
            }
            (TokenSubject::Key(_), None) => None,
        };
        let principal = principal.filter(|p| p.tenant.id == bearer.verified.ids.tenant);
        Ok(principal.map(|p| {
            let granted = bearer.restrict(&p.granted, policy);
            Principal { granted, token: Some(Arc::clone(&bearer.verified)), ..p }
        }))
    }
}

fn has_audience_of(claims: &Claims, policy: &Policy) -> bool {
    let rules = policy.tokens.as_ref();
    rules.is_some_and(|r| *r.issuer == *claims.iss && *r.audience == *claims.aud)
}

fn expired_denial(eval: &mut EvalContext<'_, '_>, claims: &Claims) -> Denial {
    let day = Timestamp(claims.exp.saturating_mul(1000)).date();
    let denial = Denial::with_message(Reason::Expired, format!("The credential expired on {day}."));
    eval.explain.fail("token", denial)
}
