//! Operators by certificate: a connection that proved a client certificate speaks by the names in it, where the
//! operator's settings say what a name may do, in which tenant. No database knows these callers; what they may
//! hand on is bounded like a key's.

use std::fmt;
use std::sync::Arc;

use super::{Authority, Caller, Registrar, operators};
use crate::principal::{Principal, Subject};
use crate::record::TenantRef;
use crate::trouble::{Failure, Refusal};

/// A name that a certificate carries as a subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// A host's, in lower case; a wildcard is a name like any other, and matches itself alone.
    Dns(Box<str>),
    /// A URI, as SPIFFE has them, compared to the letter.
    Uri(Box<str>),
}

impl CertificateName {
    /// A name as people write it: a URI has a colon, a host's name never.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = (1..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let host = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
        match (plain, text.contains(':')) {
            (true, true) => Some(Self::Uri(text.into())),
            (true, false) if text.bytes().all(host) => Some(Self::Dns(text.to_ascii_lowercase().into())),
            _ => None,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Dns(text) | Self::Uri(text)) = self;
        f.write_str(text)
    }
}

/// The names of the certificate that a connection has proved. Whoever serves puts it beside the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate(pub Arc<[CertificateName]>);

/// What a name may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedOperator {
    /// Whose.
    pub name: CertificateName,
    /// Where; none: everywhere, as an operator.
    pub tenant: Option<TenantRef>,
    /// What, in that tenant, by its profile's names.
    pub scopes: Vec<String>,
}

const STRANGER: Refusal = Refusal::Unauthenticated(
    "a credential is needed: authorization: Bearer …, or x-api-key; the client certificate's names are no operator's",
);
const TWO: Refusal = Refusal::Unauthenticated("the client certificate has the names of two operators");

impl Registrar {
    /// Who calls, by the certificate alone.
    pub async fn certified(&self, certificate: &ClientCertificate) -> Result<Caller, Failure> {
        let mut known = self.certified.iter().filter(|one| certificate.0.contains(&one.name));
        let operator = known.next().ok_or(STRANGER)?;
        if known.next().is_some() {
            return Err(TWO.into());
        }
        let subject = format!("certificate {}", operator.name);
        let Some(tenant) = &operator.tenant else {
            return Ok(Caller { subject, authority: Authority::Operator });
        };
        let found = self.parts.ledger.tenant(tenant).await?;
        let tenant = found.filter(|tenant| !tenant.suspended).ok_or(STRANGER)?;
        let policy = self.policy_of(&tenant)?;
        let granted = policy.scopes.known(&operator.scopes);
        let subject_of = Subject::Certificate(operator.name.clone());
        let principal = Principal { tenant: Arc::new(tenant), subject: subject_of, granted, token: None };
        let speaks = operators::speaks(&principal);
        let authority = if speaks { Authority::Operator } else { Authority::Tenant(principal) };
        Ok(Caller { subject, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_uri_or_a_host() {
        let spiffe = "spiffe://corp.example/Ops";
        assert_eq!(CertificateName::parse(spiffe), Some(CertificateName::Uri(spiffe.into())));
        assert_eq!(CertificateName::parse("Ops.Example"), Some(CertificateName::Dns("ops.example".into())));
        for bad in ["", "a b", "ops@example.com", "ops.example/x", "é.example"] {
            assert_eq!(CertificateName::parse(bad), None, "{bad:?}");
        }
    }
}
