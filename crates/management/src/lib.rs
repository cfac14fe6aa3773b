//! Use cases of operators and key managers: keys, tenants, users, profiles, tokens, signing keys, and the audit log.
//! The rules are here; the database runs them inside its transactions. A call that can change a decision returns when
//! every replica that decides has applied the change.

mod audit;
mod auditor;
mod bindings;
mod bulk;
mod caller;
mod certificates;
mod context;
mod counts;
mod create_key;
mod deletions;
mod encoding;
mod field_validator;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod granted_changes;
mod grants;
mod identity;
mod import;
mod key_builder;
mod key_losses;
mod keys;
mod lifecycle;
mod lifetime;
mod listing;
mod missing;
pub mod operators;
mod page;
pub mod password;
pub mod ports;
mod profile_changes;
mod profile_secrets;
mod profiles;
mod publishable;
pub mod rewrap;
pub mod rotation;
mod shadow;
mod tenants;
mod tokens;
mod update;
mod usage;
mod usage_report;
mod users;

use std::sync::Arc;

use rand::rngs::StdRng;

pub use self::auditor::{AuditBreak, AuditReport, Auditor, ListAuditEvents, ListedEvent};
pub use self::bulk::{BulkChanges, BulkResult, ChangeKeys, KeysFilter};
pub use self::caller::{Authority, Caller};
pub use self::context::CallContext;
pub use self::create_key::{CreateKey, Expiry};
pub use self::deletions::{DeleteKey, DeleteProfile, DeletedProfile, DeletedTenant, Deletions};
pub use self::identity::CallerIdentity;
pub use self::import::{ImportFinding, ImportKey, ImportKeys, ImportSecret, ImportedHash, ImportedKeys};
pub use self::key_losses::KeyLosses;
pub use self::keys::CreatedKey;
pub use self::lifecycle::{RevokeKey, RotateKey, RotatedKey};
pub use self::listing::{ListKeys, ListTenants, ListUsers};
pub use self::page::Page;
pub use self::profile_changes::{MeasuredChange, changes_to_force, measure_changes, refuse_taking_away};
pub use self::profile_secrets::SetProfileSecret;
pub use self::profiles::ApplyProfile;
pub use self::publishable::{GetPublishableKey, PublishableKeyValue};
pub use self::shadow::GetShadowReport;
pub use self::tenants::{CreateTenant, SuspendTenant, UpdateTenant};
pub use self::tokens::{
    IssueJwt, IssuedTokens, RefreshJwt, RotateSigningKey, TokenGrant, TokenIssuer, TokenIssuerParts,
    reload_signing_keys,
};
pub use self::update::UpdateKey;
pub use self::usage::{GetKeyUsage, KeyUsage, KeyUseSummary, UsageReader};
pub use self::usage_report::{GetUsageReport, UsageReport};
pub use self::users::{CreateUser, SetUserPassword, UpdateUser};

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::principal::{CertificateOperator, Principal};
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::scope::MANAGE_KEYS;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;

use crate::missing::ObjectType;
use crate::ports::{ManagementStore, Propagation, WriteResult};

/// Dependencies of a [`ManagementService`].
pub struct ManagementServiceParts {
    /// Store of keys, tenants and profiles.
    pub store: Arc<dyn ManagementStore>,
    /// Profiles in force.
    pub policies: Arc<dyn Policies>,
    /// Waits until every replica has applied a change.
    pub propagation: Arc<dyn Propagation>,
    /// Clock for timestamps and deadlines.
    pub clock: Arc<dyn Clock>,
    /// Encrypts values that can be read again.
    pub sealer: Arc<Sealer>,
    /// Source of generators for keys and identifiers, seeded by the operating system.
    pub random: Arc<dyn Fn() -> StdRng + Send + Sync>,
}

/// Carries out management calls.
pub struct ManagementService {
    parts: ManagementServiceParts,
    certificate_operators: Vec<CertificateOperator>,
}

impl ManagementService {
    /// Creates a service from its dependencies.
    #[must_use]
    pub fn new(parts: ManagementServiceParts) -> Self {
        Self { parts, certificate_operators: Vec::new() }
    }

    /// Sets the operators that are identified by client certificates.
    #[must_use]
    pub fn with_certificate_operators(mut self, operators: Vec<CertificateOperator>) -> Self {
        self.certificate_operators = operators;
        self
    }

    /// Returns the tenant that the caller names; an empty name is the caller's own. Another tenant than the caller's
    /// own is reported as not found.
    async fn managed_tenant(&self, caller: &Caller, name: &str) -> Result<TenantRecord, ManagementError> {
        let tenant = match caller.principal() {
            None if name.is_empty() => TenantRef::Slug(operator::SLUG.to_owned()),
            None => TenantRef::parse(name).ok_or_else(|| self.not_found(ObjectType::Tenant, name))?,
            Some(own) => {
                self.key_manager(own)?;
                let (id, slug) = (own.tenant.id, &own.tenant.slug);
                if !name.is_empty() && TenantRef::parse(name) != Some(TenantRef::Id(id)) && *name != **slug {
                    return Err(self.not_found(ObjectType::Tenant, name).into());
                }
                TenantRef::Id(id)
            }
        };
        let found = self.parts.store.tenant(&tenant).await?;
        Ok(found.ok_or_else(|| self.not_found(ObjectType::Tenant, name))?)
    }

    /// Returns the tenant that a key or user is added to. An operator must name it, so that no key becomes an operators'
    /// key by omission.
    async fn tenant_to_add_to(&self, caller: &Caller, name: &str) -> Result<TenantRecord, ManagementError> {
        if caller.principal().is_none() && name.is_empty() {
            let text =
                "is required of an operator: the id or slug of a tenant (\"latchkey\" is the operators' own)";
            return Err(RequestError::field("tenant", text).into());
        }
        self.managed_tenant(caller, name).await
    }

    /// Returns `PermissionDenied` if the caller cannot manage keys at all. Checked before the request is validated,
    /// so that an unauthorized caller learns nothing of its violations.
    pub fn manages_keys(&self, caller: &Caller) -> Result<(), RequestError> {
        caller.principal().map_or(Ok(()), |own| self.key_manager(own))
    }

    fn key_manager(&self, principal: &Principal) -> Result<(), RequestError> {
        let policy = self.parts.policies.named(&principal.tenant.profile);
        let scope = policy.and_then(|p| p.scopes.find(MANAGE_KEYS));
        if scope.is_some_and(|scope| principal.granted.contains(scope)) {
            return Ok(());
        }
        Err(RequestError::PermissionDenied(format!("the caller lacks the scope {MANAGE_KEYS}")))
    }

    fn policy_of(&self, tenant: &TenantRecord) -> Result<Arc<Policy>, RequestError> {
        if operator::is_operator_tenant(tenant) {
            return Ok(operator::policy());
        }
        self.parts.policies.named(&tenant.profile).ok_or_else(|| {
            RequestError::FailedPrecondition(format!(
                "the tenant's profile {:?} is not in force",
                tenant.profile
            ))
        })
    }

    /// Waits until every replica has applied a write, at most as long as the call can wait.
    async fn wait_until_applied<T>(
        &self,
        written: WriteResult<T>,
        call: &CallContext,
    ) -> Result<WriteResult<T>, ManagementError> {
        if written.revision > 0 {
            let deadline = call.waits_until(self.parts.clock.monotonic());
            let WriteResult { revision, history, .. } = written;
            self.parts.propagation.wait_until_applied(revision, history, deadline).await?;
        }
        Ok(written)
    }
}
