//! Who is it, by a token? The signature is checked once and remembered; whether the key that signed, the
//! family, and the key or user behind the token are still there is asked at every call, of memory.

use std::sync::Arc;

use super::authenticate::Identified;
use super::{Case, Gate, Judged, invalid_credential};
use crate::decision::Denial;
use crate::memory::tokens::Bearer;
use crate::policy::Policy;
use crate::ports::{KnownFamily, Limiter};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::token::{self, Claims, Flaw, Parent};
use crate::trouble::Trouble;

impl<L: Limiter> Gate<L> {
    pub(super) async fn by_token(
        &self,
        token: &str,
        case: &mut Case<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Result<Judged<Identified>, Trouble> {
        let (bearer, policy) = match self.signed(token, case, given) {
            Ok(signed) => signed,
            Err(denial) => return Ok(Err(denial)),
        };
        let names = bearer.verified.names;
        let family = self.find_family(names.family, &bearer.verified.kid, case).await?;
        let mine = |f: &Arc<KnownFamily>| f.record.parent == names.parent && f.record.tenant == names.tenant;
        let Some(family) = family.filter(mine) else {
            let detail = || "its family or its signing key is gone".to_owned();
            return Ok(Err(case.trail.fail_because("token", invalid_credential(), detail)));
        };
        let Some(principal) = self.behind(&bearer, &family, (case, &policy)).await? else {
            let detail = || "nothing stands behind it any more".to_owned();
            return Ok(Err(case.trail.fail_because("token", invalid_credential(), detail)));
        };
        if *principal.tenant.profile != *policy.name {
            let detail = || "its tenant belongs to another profile".to_owned();
            return Ok(Err(case.trail.fail_because("token", invalid_credential(), detail)));
        }
        case.trail.pass("token", || format!("signed by {}, for {}", bearer.verified.kid, names.parent));
        Ok(Ok(Identified { principal, policy, family: Some(family) }))
    }

    /// A token with a right signature, of now, for this profile.
    fn signed(
        &self,
        token: &str,
        case: &mut Case<'_, '_>,
        given: Option<Arc<Policy>>,
    ) -> Judged<(Arc<Bearer>, Arc<Policy>)> {
        let flawed = |case: &mut Case<'_, '_>, flaw: Flaw| {
            case.trail.fail_because("token", invalid_credential(), || flaw.to_string())
        };
        let bearer = match self.verified(token) {
            Ok(bearer) => bearer,
            Err(flaw) => return Err(flawed(case, flaw)),
        };
        let profile = &bearer.verified.profile;
        let policy = given.or_else(|| self.parts.policies.named(profile));
        let fits = |p: &Arc<Policy>| p.name == (**profile).into() && p.accepts.jwt;
        let Some(policy) = policy.filter(fits).filter(|p| meant_for(&bearer.verified.claims, p)) else {
            return Err(flawed(case, Flaw::Audience));
        };
        match token::times(&bearer.verified.claims, case.now.wall) {
            Ok(()) => Ok((bearer, policy)),
            Err(Flaw::Expired) => Err(expired(case, &bearer.verified.claims)),
            Err(flaw) => Err(flawed(case, flaw)),
        }
    }

    /// The token, read before or read now. That its key is still in force is asked each time.
    fn verified(&self, token: &str) -> Result<Arc<Bearer>, Flaw> {
        if token.len() > token::LONGEST_TOKEN {
            return Err(Flaw::Form);
        }
        let tokens = self.parts.memory.tokens();
        let ring = tokens.ring();
        match tokens.bearer(token) {
            Ok(bearer) => ring.get(&bearer.verified.kid).map(|_| bearer).ok_or(Flaw::UnknownKey),
            Err(mark) => {
                let bearer = Arc::new(Bearer::new(token::verify(token, &ring)?));
                tokens.remember(mark, &bearer);
                Ok(bearer)
            }
        }
    }

    /// The key or user that a token stands for, with what is left of its scopes.
    async fn behind(
        &self,
        bearer: &Bearer,
        family: &KnownFamily,
        (case, policy): (&mut Case<'_, '_>, &Policy),
    ) -> Result<Option<Principal>, Trouble> {
        let principal = match (bearer.verified.names.parent, &family.key) {
            (Parent::Key(id), Some(hash)) => {
                let found = self.find(hash, case).await?;
                let found = found.map(|(key, tenant)| Principal::by_key(tenant, key, Some(policy)));
                found.filter(|p| p.key().is_some_and(|key| key.id == id))
            }
            (Parent::User(id), _) => {
                let found = self.find_user(id, case).await?;
                found.map(|(user, tenant)| Principal::by_user(tenant, user, policy))
            }
            (Parent::Key(_), None) => None,
        };
        let principal = principal.filter(|p| p.tenant.id == bearer.verified.names.tenant);
        Ok(principal.map(|p| {
            let granted = bearer.trim(&p.granted, policy);
            Principal { granted, token: Some(Arc::clone(&bearer.verified)), ..p }
        }))
    }
}

fn meant_for(claims: &Claims, policy: &Policy) -> bool {
    let rules = policy.tokens.as_ref();
    rules.is_some_and(|r| *r.issuer == *claims.iss && *r.audience == *claims.aud)
}

fn expired(case: &mut Case<'_, '_>, claims: &Claims) -> Denial {
    let day = Timestamp(claims.exp.saturating_mul(1000)).date();
    let denial = Denial::saying(Reason::Expired, format!("The credential expired on {day}."));
    case.trail.fail("token", denial)
}
