//! Use cases of operators and key managers: keys, tenants, users, profiles, tokens, signing keys, and the audit log.
//! The rules are here; the database runs them inside its transactions. A call that can change a decision returns when
//! every replica that decides has applied the change.

mod audit;
mod auditor;
mod caller;
mod certificates;
mod context;
mod draft;
mod encoding;
mod fields;
mod grants;
mod import;
mod keys;
mod lifecycle;
pub mod operators;
mod page;
pub mod password;
pub mod ports;
mod profiles;
pub mod reseal;
pub mod rotation;
mod shadow;
mod tenants;
mod tokens;
mod update;
mod usage;
mod users;

use std::sync::Arc;

use rand::rngs::StdRng;

pub use self::auditor::{AuditState, Auditor, Flaw, ListAuditEvents};
pub use self::caller::{Authority, Caller};
pub use self::certificates::CertifiedOperator;
pub use self::context::CallContext;
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

use latchkey_core::operator;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::principal::Principal;
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::scope::MANAGE_KEYS;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::trouble::{Failure, Refusal};

use crate::ports::{Ledger, Spreading, Written};

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
            None if name.is_empty() => TenantRef::Slug(operator::SLUG.to_owned()),
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
        if operator::is_operators(tenant) {
            return Ok(operator::policy());
        }
        self.parts.policies.named(&tenant.profile).ok_or_else(|| {
            Refusal::Precondition(format!("the tenant's profile {:?} is not in force", tenant.profile))
        })
    }

    /// Waits until what was written holds everywhere, no longer than the call may wait.
    async fn spread<T>(&self, written: Written<T>, call: &CallContext) -> Result<Written<T>, Failure> {
        if written.revision > 0 {
            let deadline = call.waits_until(self.parts.clock.tick());
            self.parts.spreading.spread(written.revision, deadline).await?;
        }
        Ok(written)
    }
}
