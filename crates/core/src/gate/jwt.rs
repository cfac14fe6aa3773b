//! Authenticates a JWT. Its signature is verified once, and the result is cached. At every call, the gate
//! checks in the cache that the signing key, the token family, and the key or user behind the token are still
//! in force.

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
        let (token, policy) = match self.verify_for_profile(token, eval, given) {
            Ok(verified) => verified,
            Err(denial) => return Ok(Err(denial)),
        };
        let ids = token.verified.ids;
        let family = self.lookup_family(ids.family, &token.verified.kid, eval).await?;
        let matches_token =
            |f: &Arc<TokenFamily>| f.record.parent == ids.parent && f.record.tenant == ids.tenant;
        let Some(family) = family.filter(matches_token) else {
            let detail = || "its token family does not exist, or its signing key is not in force".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("token", invalid_credential(), detail)));
        };
        let Some(principal) = self.load_principal(&token, &family, eval, &policy).await? else {
            let detail = || "the key or user that it was issued for does not exist".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("token", invalid_credential(), detail)));
        };
        if *principal.tenant.profile != *policy.name {
            let detail = || "its tenant belongs to another profile".to_owned();
            return Ok(Err(eval.explain.fail_with_detail("token", invalid_credential(), detail)));
        }
        eval.explain.pass("token", || format!("signed by {}, for {}", token.verified.kid, ids.parent));
        Ok(Ok(IdentifiedCaller { principal, policy, family: Some(family) }))
    }

    /// Returns a token with a valid signature that is valid now and was issued for this profile.
    fn verify_for_profile(
        &self,
        token: &str,
        eval: &mut EvalContext<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> StepResult<(Arc<VerifiedToken>, Arc<Policy>)> {
        let denied = |eval: &mut EvalContext<'_, '_>, error: TokenError| {
            eval.explain.fail_with_detail("token", invalid_credential(), || error.to_string())
        };
        let token = match self.verify_cached(token) {
            Ok(token) => token,
            Err(error) => return Err(denied(eval, error)),
        };
        let profile = &token.verified.profile;
        let policy = given.or_else(|| self.parts.policies.named(profile));
        let matches_token = |p: &Arc<Policy>| p.name == (**profile).into() && p.accepts.jwt;
        let has_audience = |p: &Arc<Policy>| has_audience_of(&token.verified.claims, p);
        let Some(policy) = policy.filter(matches_token).filter(has_audience) else {
            return Err(denied(eval, TokenError::Audience));
        };
        match token::check_validity_period(&token.verified.claims, eval.now.wall) {
            Ok(()) => Ok((token, policy)),
            Err(TokenError::Expired) => Err(expired_denial(eval, &token.verified.claims)),
            Err(error) => Err(denied(eval, error)),
        }
    }

    /// Returns the verified token from the cache, or verifies it now. Each call checks that the signing key
    /// is still in force.
    fn verify_cached(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.len() > token::MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let tokens = self.parts.cache.tokens();
        let key_ring = tokens.key_ring();
        match tokens.verified_token(token) {
            Ok(token) => key_ring.get(&token.verified.kid).map(|_| token).ok_or(TokenError::UnknownKey),
            Err(fingerprint) => {
                let token = Arc::new(VerifiedToken::new(token::verify(token, &key_ring)?));
                tokens.insert_verified(fingerprint, &token);
                Ok(token)
            }
        }
    }

    /// Returns the key or user that a token stands for, with those of its granted scopes that the token
    /// carries.
    async fn load_principal(
        &self,
        token: &VerifiedToken,
        family: &TokenFamily,
        eval: &mut EvalContext<'_, '_>,
        policy: &Policy,
    ) -> Result<Option<Principal>, SystemError> {
        let principal = match (token.verified.ids.parent, &family.key) {
            (TokenSubject::Key(id), Some(hash)) => {
                let entry = self.lookup_key(hash, eval).await?;
                let entry = entry.map(|(key, tenant)| Principal::from_key(tenant, key, Some(policy)));
                entry.filter(|p| p.key().is_some_and(|key| key.id == id))
            }
            (TokenSubject::User(id), _) => {
                let entry = self.lookup_user(id, eval).await?;
                entry.map(|(user, tenant)| Principal::from_user(tenant, user, policy))
            }
            (TokenSubject::Key(_), None) => None,
        };
        let principal = principal.filter(|p| p.tenant.id == token.verified.ids.tenant);
        Ok(principal.map(|p| {
            let granted = token.restrict(&p.granted, policy);
            Principal { granted, token: Some(Arc::clone(&token.verified)), ..p }
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
