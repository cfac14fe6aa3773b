//! Authenticates callers of management RPCs: operators, and keys or users of tenants. They are looked up as
//! for Check, and are held to the same lifecycle, tenant and network rules. A user sends a JWT; a key sends
//! its value or a JWT.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticate::IdentifiedCaller;
use super::{EvalContext, Gate, status};
use crate::check_input::{CheckInput, PresentedCredential};
use crate::decision::DecisionContext;
use crate::error::{ManagementError, RequestError, SystemError};
use crate::operator;
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::principal::Principal;
use crate::record::{KeyState, TenantRecord};
use crate::secret::KeyHash;
use crate::token;

const NO_CREDENTIAL: RequestError =
    RequestError::Unauthenticated("a credential is needed: authorization: Bearer …, or x-api-key");
const INVALID_CREDENTIAL: RequestError = RequestError::Unauthenticated("the credential is not valid");

impl<L: Limiter> Gate<L> {
    /// Returns the principal of a management call, by the credential in the call's metadata and the client's
    /// address. The error does not say why a credential is not valid.
    pub async fn caller(
        &self,
        credential: PresentedCredential<'_>,
        address: Option<IpAddr>,
    ) -> Result<Principal, ManagementError> {
        let value = match credential {
            PresentedCredential::Value(value) => value,
            PresentedCredential::Missing => return Err(NO_CREDENTIAL.into()),
            PresentedCredential::Ambiguous | PresentedCredential::Malformed => {
                return Err(INVALID_CREDENTIAL.into());
            }
        };
        let input = CheckInput { address, ..CheckInput::default() };
        let mut now = self.parts.clock.now();
        if !self.parts.cache.lease_valid(now.monotonic) {
            now = self.renew_lease().await?;
        }
        let context = &mut DecisionContext::default();
        let mut eval = EvalContext::new(&input, now, context);
        let principal = if token::looks_like_jwt(value) {
            self.token_caller(value, &mut eval).await?.ok_or(INVALID_CREDENTIAL)?
        } else {
            self.key_caller(value, &mut eval).await?.ok_or(INVALID_CREDENTIAL)?
        };
        let in_network = |a: IpAddr| principal.networks().iter().any(|n| n.contains(&a.to_canonical()));
        let network_allowed = principal.networks().is_empty() || address.is_some_and(in_network);
        let active = principal.key().is_none_or(|key| key.state(now.wall) == KeyState::Active);
        if !active || principal.tenant.suspended || !network_allowed {
            return Err(INVALID_CREDENTIAL.into());
        }
        self.record_management_use(&principal, now.wall);
        Ok(principal)
    }

    async fn key_caller(
        &self,
        value: &str,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<Principal>, SystemError> {
        let entry = self.lookup_key(&KeyHash::of(value), eval).await?;
        Ok(entry.map(|(key, tenant)| {
            let policy = self.management_policy(&tenant);
            Principal::from_key(tenant, key, policy.as_deref())
        }))
    }

    /// Returns the principal of a token that is valid and in force.
    async fn token_caller(
        &self,
        token: &str,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<Principal>, SystemError> {
        let Ok(IdentifiedCaller { principal, policy, family }) =
            self.authenticate_jwt(token, eval, None).await?
        else {
            return Ok(None);
        };
        let status = status::check_subject(eval, &policy, &principal)
            .and_then(|()| status::check_family(eval, &principal, family.as_deref()));
        Ok(status.ok().map(|()| principal))
    }

    pub(super) fn management_policy(&self, tenant: &TenantRecord) -> Option<Arc<Policy>> {
        if operator::is_operator_tenant(tenant) {
            return Some(operator::policy());
        }
        self.parts.policies.named(&tenant.profile)
    }
}
