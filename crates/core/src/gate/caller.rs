//! Authenticates callers of management RPCs: operators, and keys or users of tenants. They are looked up as
//! for Check, and the same rule says whether they are in force. A user sends a JWT; a key sends its value or a JWT.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticate::IdentifiedCaller;
use super::value::FoundKey;
use super::{EvalContext, Gate};
use crate::check_input::{CheckInput, PresentedCredential};
use crate::decision::DecisionContext;
use crate::error::{ManagementError, RequestError, SystemError};
use crate::operator;
use crate::policy::Policy;
use crate::ports::Limiter;
use crate::principal::Principal;
use crate::record::TenantRecord;
use crate::token;

const NO_CREDENTIAL: RequestError =
    RequestError::Unauthenticated("a credential is needed: authorization: Bearer …, or x-api-key");
const TWO_CREDENTIALS: RequestError =
    RequestError::Unauthenticated("two different credentials were sent: send one of them");
const MALFORMED_CREDENTIAL: RequestError = RequestError::Unauthenticated(
    "the credential has a character that no credential has, such as a space: send the value alone, without the word \
     Bearer in it",
);
const INVALID_CREDENTIAL: RequestError = RequestError::Unauthenticated("the credential is not valid");

impl<L: Limiter> Gate<L> {
    /// Returns the principal of a management call, by the credential in the call's metadata and the client's
    /// address, and the version of the profile that decided its rights. The error does not say why a credential is not
    /// valid.
    pub async fn caller(
        &self,
        credential: PresentedCredential<'_>,
        address: Option<IpAddr>,
    ) -> Result<(Principal, u64), ManagementError> {
        let value = match credential {
            PresentedCredential::Value(value) => value,
            PresentedCredential::Missing => return Err(NO_CREDENTIAL.into()),
            PresentedCredential::Ambiguous => return Err(TWO_CREDENTIALS.into()),
            PresentedCredential::Malformed => return Err(MALFORMED_CREDENTIAL.into()),
            PresentedCredential::NotAKey | PresentedCredential::NotAJwt => {
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
        let identified = if token::looks_like_jwt(value) {
            self.authenticate_jwt(value, &mut eval, None).await?.ok()
        } else {
            self.key_caller(value, &mut eval).await?
        };
        let IdentifiedCaller { principal, policy, family } = identified.ok_or(INVALID_CREDENTIAL)?;
        let family = family.as_deref().map(|family| &family.record);
        if principal.in_force(&policy, family, now.wall).is_err() || !principal.is_allowed_from(address) {
            return Err(INVALID_CREDENTIAL.into());
        }
        self.record_management_use(&principal, now.wall);
        Ok((principal, policy.version))
    }

    /// Returns the key with this value. The key of a tenant must have the format of a kind that its profile has now, as
    /// it must for a Check; an operator chooses the value of the first operators' key.
    async fn key_caller(
        &self,
        value: &str,
        eval: &mut EvalContext<'_, '_>,
    ) -> Result<Option<IdentifiedCaller>, SystemError> {
        let Ok(found) = self.lookup_value(value, None, eval).await? else { return Ok(None) };
        let FoundKey { entry: (key, tenant), imported } = found;
        let Some(policy) = self.management_policy(&tenant) else { return Ok(None) };
        let accepted = policy.accepts_key(value) && policy.finds_by_hash(value, imported.as_ref());
        if !accepted && !operator::is_operator_tenant(&tenant) {
            return Ok(None);
        }
        let principal = Principal::from_key(tenant, key, Some(&policy));
        Ok(Some(IdentifiedCaller { principal, policy, family: None }))
    }

    pub(super) fn management_policy(&self, tenant: &TenantRecord) -> Option<Arc<Policy>> {
        if operator::is_operator_tenant(tenant) {
            return Some(operator::policy());
        }
        self.parts.policies.named(&tenant.profile)
    }
}
