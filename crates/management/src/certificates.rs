//! Operators that are identified by a client certificate. The settings map each certificate name to its scopes and
//! its tenant. These callers are not in the database. The rights that they can grant are bounded in the same way
//! as for a key.

use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::operator::OperatorRole;
use latchkey_core::principal::{ClientCertificate, Principal, Subject};

use super::{Authority, Caller, ManagementService};

const UNKNOWN_CERTIFICATE: RequestError = RequestError::Unauthenticated(
    "a credential is needed: authorization: Bearer …, or x-api-key; the client certificate's names are no operator's",
);
const AMBIGUOUS_CERTIFICATE: RequestError =
    RequestError::Unauthenticated("the client certificate has the names of two operators");

impl ManagementService {
    /// Identifies the caller by the client certificate alone.
    ///
    /// Returns `Unauthenticated` if no name, or the names of more than one operator, are in the certificate.
    pub async fn certificate_caller(
        &self,
        certificate: &ClientCertificate,
    ) -> Result<Caller, ManagementError> {
        let mut known =
            self.certificate_operators.iter().filter(|operator| certificate.0.contains(&operator.name));
        let operator = known.next().ok_or(UNKNOWN_CERTIFICATE)?;
        if known.next().is_some() {
            return Err(AMBIGUOUS_CERTIFICATE.into());
        }
        let subject = format!("certificate {}", operator.name);
        let Some(tenant) = &operator.tenant else {
            let scopes = operator.scopes.iter().map(String::as_str);
            let role = OperatorRole::of_scopes(scopes).ok_or(UNKNOWN_CERTIFICATE)?;
            let authority = Authority::Operator(role, None);
            return Ok(Caller { subject, authority, profile_version: None });
        };
        let found = self.parts.store.tenant(tenant).await?;
        let tenant = found.filter(|tenant| !tenant.suspended).ok_or(UNKNOWN_CERTIFICATE)?;
        let policy = self.policy_of(&tenant)?;
        let granted = policy.scopes.resolve(&operator.scopes);
        let subject_of = Subject::Certificate(operator.name.clone());
        let principal = Principal { tenant: Arc::new(tenant), subject: subject_of, granted, token: None };
        Ok(Caller { subject, ..Caller::from(principal) })
    }
}
