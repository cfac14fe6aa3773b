//! Callers of management: operators, and tenants' keys and users.

use latchkey_core::cached_key::StringMapRef;
use latchkey_core::error::RequestError;
use latchkey_core::operator::{self, OperatorRole};
use latchkey_core::principal::Principal;
use latchkey_core::record::TenantRecord;

use super::operators;
use crate::ports::ActingCaller;

/// Caller of a management call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Identifier of the key, the user or the certificate, for the audit log.
    pub subject: String,
    /// Extent of what the caller may do.
    pub authority: Authority,
    /// Version of the profile that decided the caller's rights; `None` for a certificate, which no write reads again.
    pub profile_version: Option<u64>,
}

/// Extent of what a caller may do.
#[derive(Clone, Debug)]
pub enum Authority {
    /// Rights of a role, in every tenant. The key of an operator, if there is one, bounds the operators' keys that it
    /// creates.
    Operator(OperatorRole, Option<Principal>),
    /// Rights that the principal's scopes give, in its own tenant.
    Tenant(Principal),
}

impl From<Principal> for Caller {
    /// Creates the caller of an authenticated principal: an operator if it is of the operators' tenant and has the
    /// scope of a role. It then has the scopes of all roles with fewer rights as well.
    fn from(principal: Principal) -> Self {
        let subject = principal.subject_id();
        let authority = match operators::role(&principal) {
            Some(role) => Authority::Operator(role, Some(Principal { granted: role.granted(), ..principal })),
            None => Authority::Tenant(principal),
        };
        Self { subject, authority, profile_version: None }
    }
}

impl Caller {
    /// Sets the version of the profile that decided the caller's rights.
    #[must_use]
    pub fn with_profile_version(self, version: u64) -> Self {
        Self { profile_version: Some(version), ..self }
    }

    /// Returns the caller as a write reads it again; `None` for a certificate.
    pub(super) fn acting(&self) -> Option<ActingCaller> {
        self.identity().and_then(|own| ActingCaller::of(own, self.profile_version))
    }

    /// Returns `PermissionDenied` if the caller is not an operator with all rights.
    pub fn require_operator(&self) -> Result<(), RequestError> {
        self.require_role(OperatorRole::Admin)
    }

    /// Returns `PermissionDenied` if the caller is not an operator with this role, or with one that has more rights.
    pub fn require_role(&self, least: OperatorRole) -> Result<(), RequestError> {
        match self.role() {
            Some(role) if role >= least => Ok(()),
            Some(role) => Err(RequestError::PermissionDenied(format!(
                "the caller is an operator with the role {}, and this needs the role {}",
                role.scope(),
                least.scope()
            ))),
            None => Err(RequestError::PermissionDenied("only operators may do this".into())),
        }
    }

    /// Returns `PermissionDenied` if the caller is an operator whose role creates nothing and receives no secret. All
    /// other callers are bounded by their scopes.
    pub(super) fn require_creator(&self) -> Result<(), RequestError> {
        self.role().map_or(Ok(()), |_| self.require_operator())
    }

    /// Returns `PermissionDenied` if the caller is an operator whose role takes access away from tenants alone, and the
    /// tenant is the operators' own.
    pub(super) fn require_reach(&self, tenant: &TenantRecord) -> Result<(), RequestError> {
        if operator::is_operator_tenant(tenant) { self.require_creator() } else { Ok(()) }
    }

    /// Returns the role of an operator; `None` for any other caller.
    #[must_use]
    pub fn role(&self) -> Option<OperatorRole> {
        match self.authority {
            Authority::Operator(role, _) => Some(role),
            Authority::Tenant(_) => None,
        }
    }

    /// Returns the key, user or certificate that calls; `None` for a certificate that is an operator in every tenant.
    #[must_use]
    pub fn identity(&self) -> Option<&Principal> {
        match &self.authority {
            Authority::Operator(_, principal) => principal.as_ref(),
            Authority::Tenant(principal) => Some(principal),
        }
    }

    /// Returns the principal of a tenant that calls; `None` for an operator.
    pub(super) fn principal(&self) -> Option<&Principal> {
        match &self.authority {
            Authority::Operator(..) => None,
            Authority::Tenant(principal) => Some(principal),
        }
    }

    /// Returns the bindings that confine the caller, and with it everything that the caller creates; empty for an operator.
    pub(super) fn bindings(&self) -> StringMapRef<'_> {
        self.principal().map_or(StringMapRef::Pairs(&[]), Principal::bindings)
    }

    /// Returns the principal that bounds what the caller can do in a tenant; `None` if the caller has all rights there.
    /// A key of the operators' tenant has all rights in every other tenant, and is bounded by itself in its own: it
    /// creates no key that outlives it, or that can be used from other networks.
    pub(super) fn bounded_in(&self, tenant: &TenantRecord) -> Option<&Principal> {
        match &self.authority {
            Authority::Operator(_, principal) => principal.as_ref().filter(|own| own.tenant.id == tenant.id),
            Authority::Tenant(principal) => Some(principal),
        }
    }
}
