//! Who calls a management RPC: an operator, or a tenant's key or user, found as Check finds them and held to
//! the same life, tenant and networks. A user calls by a token; so may a key.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticate::Identified;
use super::{Case, Gate, order};
use crate::access::{Access, Presented};
use crate::decision::Seen;
use crate::operator;
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::principal::Principal;
use crate::record::{KeyState, TenantRecord};
use crate::secret::KeyHash;
use crate::token;
use crate::trouble::{Failure, Refusal, Trouble};

const NONE: Refusal =
    Refusal::Unauthenticated("a credential is needed: authorization: Bearer …, or x-api-key");
const BAD: Refusal = Refusal::Unauthenticated("the credential is not valid");

impl<L: Limiter> Gate<L> {
    /// Returns the principal that calls, by the credential in the call's metadata and the address that it comes from.
    pub async fn caller(
        &self,
        credential: Presented<'_>,
        address: Option<IpAddr>,
    ) -> Result<Principal, Failure> {
        let value = match credential {
            Presented::Value(value) => value,
            Presented::Missing => return Err(NONE.into()),
            Presented::Ambiguous | Presented::Unreadable => return Err(BAD.into()),
        };
        let access = Access { address, ..Access::default() };
        let now = self.parts.clock.now();
        let seen = &mut Seen::default();
        let mut case = Case::new(&access, now, seen);
        let principal = if token::looks_like_one(value) {
            self.token_caller(value, &mut case).await?.ok_or(BAD)?
        } else {
            self.key_caller(value, &mut case).await?.ok_or(BAD)?
        };
        let inside = |a: IpAddr| principal.networks().iter().any(|n| n.contains(&a.to_canonical()));
        let from_there = principal.networks().is_empty() || address.is_some_and(inside);
        let active = principal.key().is_none_or(|key| key.state(now.wall) == KeyState::Active);
        if !active || principal.tenant.suspended || !from_there {
            return Err(BAD.into());
        }
        self.note_managing(&principal, now.wall);
        Ok(principal)
    }

    async fn key_caller(&self, value: &str, case: &mut Case<'_, '_>) -> Result<Option<Principal>, Trouble> {
        let found = self.find(&KeyHash::of(value), case).await?;
        Ok(found.map(|(remembered, tenant)| {
            let policy = self.managing(&tenant);
            Principal::by_key(tenant, remembered, policy.as_deref())
        }))
    }

    /// The bearer of a token that is in order.
    async fn token_caller(&self, token: &str, case: &mut Case<'_, '_>) -> Result<Option<Principal>, Trouble> {
        let Ok(Identified { principal, policy, family }) = self.by_token(token, case, None).await? else {
            return Ok(None);
        };
        let in_order = order::subject(case, &policy, &principal)
            .and_then(|()| order::family(case, &principal, family.as_deref()));
        Ok(in_order.ok().map(|()| principal))
    }

    pub(super) fn managing(&self, tenant: &TenantRecord) -> Option<Arc<Policy>> {
        if operator::is_operators(tenant) {
            return Some(operator::policy());
        }
        self.parts.policies.named(&tenant.profile)
    }
}
