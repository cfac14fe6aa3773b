//! Callers of management: operators, and tenants' keys and users.

use latchkey_core::error::RequestError;
use latchkey_core::principal::Principal;
use latchkey_core::record::TenantRecord;

use super::operators;

/// Caller of a management call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Identifier of the key, the user or the certificate, for the audit log.
    pub subject: String,
    /// Extent of what the caller may do.
    pub authority: Authority,
}

/// Extent of what a caller may do.
#[derive(Clone, Debug)]
pub enum Authority {
    /// All rights, in every tenant. The key of an operator, if there is one, bounds the operators' keys that it creates.
    Operator(Option<Principal>),
    /// Rights that the principal's scopes give, in its own tenant.
    Tenant(Principal),
}

impl From<Principal> for Caller {
    /// Makes a caller of an authenticated principal: an operator if it is of the operators' tenant and has their
    /// scope.
    fn from(principal: Principal) -> Self {
        let subject = principal.subject_id();
        let operator = operators::is_operator(&principal);
        let authority =
            if operator { Authority::Operator(Some(principal)) } else { Authority::Tenant(principal) };
        Self { subject, authority }
    }
}

impl Caller {
    /// Returns `PermissionDenied` if the caller is not an operator.
    pub fn require_operator(&self) -> Result<(), RequestError> {
        match self.authority {
            Authority::Operator(_) => Ok(()),
            Authority::Tenant(_) => Err(RequestError::PermissionDenied("only operators may do this".into())),
        }
    }

    /// Returns the principal of a tenant that calls; `None` for an operator.
    pub(super) fn principal(&self) -> Option<&Principal> {
        match &self.authority {
            Authority::Operator(_) => None,
            Authority::Tenant(principal) => Some(principal),
        }
    }

    /// Returns the principal that bounds what the caller can do in a tenant; `None` if the caller has all rights there.
    /// A key of the operators' tenant has all rights in every other tenant, and is bounded by itself in its own: it
    /// creates no key that outlives it, or that can be used from other networks.
    pub(super) fn bounded_in(&self, tenant: &TenantRecord) -> Option<&Principal> {
        match &self.authority {
            Authority::Operator(principal) => principal.as_ref().filter(|own| own.tenant.id == tenant.id),
            Authority::Tenant(principal) => Some(principal),
        }
    }
}
