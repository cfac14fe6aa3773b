//! Who calls a management RPC: an operator or a tenant's key, found as Check finds keys, and held to the same
//! life, tenant and networks.

use std::net::IpAddr;

use super::{Case, Gate};
use crate::access::{Access, Presented};
use crate::decision::Seen;
use crate::gate::trail::Trail;
use crate::manage::{Authority, Caller, operators};
use crate::ports::Limiter;
use crate::record::KeyState;
use crate::secret::KeyHash;
use crate::trouble::{Failure, Refusal};

const NONE: Refusal =
    Refusal::Unauthenticated("a credential is needed: authorization: Bearer …, or x-api-key");
const BAD: Refusal = Refusal::Unauthenticated("the credential is not valid");

impl<L: Limiter> Gate<L> {
    /// Who calls, by the credential in the call's metadata and the address that it comes from.
    pub async fn caller(
        &self,
        credential: Presented<'_>,
        address: Option<IpAddr>,
    ) -> Result<Caller, Failure> {
        let hash = match credential {
            Presented::Value(value) => KeyHash::of(value),
            Presented::Missing => return Err(NONE.into()),
            Presented::Ambiguous | Presented::Unreadable => return Err(BAD.into()),
        };
        let access = Access { address, ..Access::default() };
        let now = self.parts.clock.now();
        let mut case = Case { access: &access, now, seen: Seen::default(), trail: Trail::new(false) };
        let (remembered, principal) = self.find(&hash, &mut case, None).await?.ok_or(BAD)?;
        let policy = if operators::is_operators(&principal.tenant) {
            Some(operators::policy())
        } else {
            self.parts.policies.named(&principal.tenant.profile)
        };
        let principal = match &policy {
            Some(policy) => remembered.resolve(principal, policy),
            None => principal,
        };
        let key = &principal.key.record;
        let inside = |a: IpAddr| key.networks.iter().any(|n| n.contains(&a.to_canonical()));
        let from_there = key.networks.is_empty() || address.is_some_and(inside);
        if key.state(now.wall) != KeyState::Active || principal.tenant.suspended || !from_there {
            return Err(BAD.into());
        }
        let subject = key.id.to_string();
        let authority =
            if operators::speaks(&principal) { Authority::Operator } else { Authority::Tenant(principal) };
        Ok(Caller { subject, authority })
    }
}
