//! Operators by certificate: a connection that proved a client certificate speaks by the names in it, where the
//! operator's settings say what a name may do, in which tenant. No database knows these callers; what they may
//! hand on is bounded like a key's.

use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::principal::{CertificateName, ClientCertificate, Principal, Subject};
use latchkey_core::record::TenantRef;

use super::{Authority, Caller, ManagementService};

/// What a name may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateOperator {
    /// Whose.
    pub name: CertificateName,
    /// Where; none: everywhere, as an operator.
    pub tenant: Option<TenantRef>,
    /// What, in that tenant, by its profile's names.
    pub scopes: Vec<String>,
}

const UNKNOWN_CERTIFICATE: RequestError = RequestError::Unauthenticated(
    "a credential is needed: authorization: Bearer …, or x-api-key; the client certificate's names are no operator's",
);
const AMBIGUOUS_CERTIFICATE: RequestError =
    RequestError::Unauthenticated("the client certificate has the names of two operators");

impl ManagementService {
    /// Who calls, by the certificate alone.
    pub async fn certificate_caller(
        &self,
        certificate: &ClientCertificate,
    ) -> Result<Caller, ManagementError> {
        let mut known = self.certificate_operators.iter().filter(|one| certificate.0.contains(&one.name));
        let operator = known.next().ok_or(UNKNOWN_CERTIFICATE)?;
        if known.next().is_some() {
            return Err(AMBIGUOUS_CERTIFICATE.into());
        }
        let subject = format!("certificate {}", operator.name);
        let Some(tenant) = &operator.tenant else {
            return Ok(Caller { subject, authority: Authority::Operator });
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
