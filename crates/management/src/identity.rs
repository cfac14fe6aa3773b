//! Description of a caller to itself.

use std::collections::BTreeMap;

use latchkey_core::error::RequestError;
use latchkey_core::id::TenantId;
use latchkey_core::operator::{self, OperatorRole};
use latchkey_core::time::Timestamp;

use super::{Caller, ManagementService};

/// Caller as it is known to the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerIdentity {
    /// `key`, `user` or `certificate`.
    pub subject_type: &'static str,
    /// Identifier of the key or user, or the certificate's name.
    pub subject_id: String,
    /// Name of the key, e-mail address of the user, or the certificate's name.
    pub name: String,
    /// Role of an operator, or of a user in its profile; empty for a tenant's key.
    pub role: String,
    /// True for an operator.
    pub operator: bool,
    /// Tenant with its slug; `None` for a certificate that is an operator in every tenant.
    pub tenant: Option<(TenantId, String)>,
    /// Canonical names of the caller's scopes.
    pub scopes: Vec<String>,
    /// Environment that the caller is confined to; empty for none.
    pub environment: String,
    /// Bindings that the caller is confined to.
    pub bindings: BTreeMap<String, String>,
    /// Expiry of the credential.
    pub expires: Option<Timestamp>,
    /// Networks that the caller may call from; empty for any.
    pub networks: Vec<String>,
}

impl ManagementService {
    /// Returns the caller as it is known to the service.
    pub fn identity(&self, caller: &Caller) -> Result<CallerIdentity, RequestError> {
        let role = caller.role();
        let Some(principal) = caller.identity() else {
            let name = caller.subject.strip_prefix("certificate ").unwrap_or(&caller.subject).to_owned();
            let scopes = role.map(scope_names).unwrap_or_default();
            return Ok(CallerIdentity {
                subject_type: "certificate",
                subject_id: name.clone(),
                name,
                role: role.map(OperatorRole::name).unwrap_or_default().to_owned(),
                operator: role.is_some(),
                scopes,
                ..CallerIdentity::default()
            });
        };
        let policy = self.policy_of(&principal.tenant)?;
        let scopes = policy.scopes.names(&principal.granted).map(str::to_owned).collect();
        Ok(CallerIdentity {
            subject_type: principal.subject_type(),
            subject_id: principal.subject_id(),
            name: principal.subject_name().to_owned(),
            role: role.map_or_else(|| principal.role().to_owned(), |role| role.name().to_owned()),
            operator: role.is_some(),
            tenant: Some((principal.tenant.id, principal.tenant.slug.to_string())),
            scopes,
            environment: principal.environment().unwrap_or_default().to_owned(),
            bindings: principal.bindings().iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            expires: principal.expires(),
            networks: principal.networks().iter().map(ToString::to_string).collect(),
        })
    }
}

fn scope_names(role: OperatorRole) -> Vec<String> {
    operator::policy().scopes.names(&role.granted()).map(str::to_owned).collect()
}
