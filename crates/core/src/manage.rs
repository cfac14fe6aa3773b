//! Management: what operators and key managers may do to tenants, keys and profiles. Rules live here; the
//! ledger runs them inside its transactions, and every write that can change a decision has spread to all
//! that decide before its caller hears of it.

mod audit;
mod auditor;
mod certificates;
mod draft;
mod fields;
mod grants;
mod import;
mod keys;
mod lifecycle;
pub mod operators;
mod page;
mod profiles;
mod shadow;
mod tenants;
mod tokens;
mod update;
mod usage;
mod users;

use std::sync::Arc;

use rand::rngs::StdRng;

pub use self::auditor::{AuditState, Auditor, Flaw, ListAuditEvents};
pub use self::certificates::{CertificateName, CertifiedOperator, ClientCertificate};
pub use self::draft::{CreateKey, Expiry};
pub use self::import::{ImportKey, ImportKeys, ImportSecret};
pub use self::keys::{Issued, ListKeys, PublishableKey, Published};
pub use self::lifecycle::{RevokeKey, RotateKey, Rotated};
pub use self::page::Page;
pub use self::profiles::ApplyProfile;
pub use self::shadow::GetShadowReport;
pub use self::tenants::{CreateTenant, ListTenants, SuspendTenant, UpdateTenant};
pub use self::tokens::{
    Grant, IssueJwt, IssuedJwt, RefreshJwt, RotateSigningKey, TokenDesk, TokenDeskParts, reload,
};
pub use self::update::UpdateKey;
pub use self::usage::{GetKeyUsage, KeyUsage, Seen, UsageDesk};
pub use self::users::{CreateUser, ListUsers, SetUserPassword, UpdateUser};

use crate::policy::Policy;
use crate::ports::{Ledger, Policies, Spreading, Written};
use crate::principal::Principal;
use crate::record::{TenantRecord, TenantRef};
use crate::seal::Sealer;
use crate::time::Clock;
use crate::trouble::{Failure, Refusal};

/// The scope that lets a tenant's key or user manage keys.
pub const MANAGE_KEYS: &str = "api_keys.manage";

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key's or the user's identifier, for the audit log.
    pub subject: String,
    /// What stands behind it.
    pub authority: Authority,
}

/// What a caller's word is worth.
#[derive(Clone, Debug)]
pub enum Authority {
    /// Everything, in every tenant.
    Operator,
    /// What its scopes allow, in its own tenant.
    Tenant(Principal),
}

impl Caller {
    fn operator(&self) -> Result<(), Refusal> {
        match self.authority {
            Authority::Operator => Ok(()),
            Authority::Tenant(_) => Err(Refusal::Forbidden("this is for operators".into())),
        }
    }

    /// The tenant's key or user that calls, where it is one.
    fn principal(&self) -> Option<&Principal> {
        match &self.authority {
            Authority::Operator => None,
            Authority::Tenant(principal) => Some(principal),
        }
    }
}

/// What a registrar is made of.
pub struct RegistrarParts {
    /// Where everything is kept.
    pub ledger: Arc<dyn Ledger>,
    /// The profiles in force.
    pub policies: Arc<dyn Policies>,
    /// Who waits until a change is known wherever calls are decided.
    pub spreading: Arc<dyn Spreading>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Seals values that can be read again.
    pub sealer: Arc<Sealer>,
    /// A generator for keys and identifiers, seeded by the operating system.
    pub random: Arc<dyn Fn() -> StdRng + Send + Sync>,
}

/// Carries out management calls.
pub struct Registrar {
    parts: RegistrarParts,
    certified: Vec<CertifiedOperator>,
}

impl Registrar {
    /// A registrar of these parts.
    #[must_use]
    pub fn new(parts: RegistrarParts) -> Self {
        Self { parts, certified: Vec::new() }
    }

    /// With operators who are known by their certificates.
    #[must_use]
    pub fn with_certified(mut self, operators: Vec<CertifiedOperator>) -> Self {
        self.certified = operators;
        self
    }

    /// The tenant whose keys the caller wants to manage; empty: its own. Another's is as good as none.
    async fn managed_tenant(&self, by: &Caller, name: &str) -> Result<TenantRecord, Failure> {
        let tenant = match by.principal() {
            None if name.is_empty() => TenantRef::Slug(operators::SLUG.to_owned()),
            None => TenantRef::parse(name).ok_or(Refusal::NotFound("tenant"))?,
            Some(own) => {
                self.key_manager(own)?;
                let (id, slug) = (own.tenant.id, &own.tenant.slug);
                if !name.is_empty() && TenantRef::parse(name) != Some(TenantRef::Id(id)) && *name != **slug {
                    return Err(Refusal::NotFound("tenant").into());
                }
                TenantRef::Id(id)
            }
        };
        let found = self.parts.ledger.tenant(&tenant).await?;
        Ok(found.ok_or(Refusal::NotFound("tenant"))?)
    }

    /// Whether the caller may manage keys at all. Asked before a call is looked at, so that one who may not
    /// learns nothing of what is wrong with it.
    pub fn manages_keys(&self, by: &Caller) -> Result<(), Refusal> {
        by.principal().map_or(Ok(()), |own| self.key_manager(own))
    }

    fn key_manager(&self, who: &Principal) -> Result<(), Refusal> {
        let policy = self.parts.policies.named(&who.tenant.profile);
        let scope = policy.and_then(|p| p.scopes.find(MANAGE_KEYS));
        if scope.is_some_and(|scope| who.granted.contains(scope)) {
            return Ok(());
        }
        Err(Refusal::Forbidden(format!("the caller lacks the scope {MANAGE_KEYS}")))
    }

    fn policy_of(&self, tenant: &TenantRecord) -> Result<Arc<Policy>, Refusal> {
        if operators::is_operators(tenant) {
            return Ok(operators::policy());
        }
        self.parts.policies.named(&tenant.profile).ok_or_else(|| {
            Refusal::Precondition(format!("the tenant's profile {:?} is not in force", tenant.profile))
        })
    }

    /// Waits until what was written holds everywhere.
    async fn spread<T>(&self, written: Written<T>) -> Result<Written<T>, Failure> {
        if written.revision > 0 {
            self.parts.spreading.spread(written.revision).await?;
        }
        Ok(written)
    }
}
