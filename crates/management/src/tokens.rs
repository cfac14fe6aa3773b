//! The token desk: turns a key or a password into tokens, renews and ends them, and keeps the signing keys. Who
//! asks for a token shows what it is for in the asking; signing keys are the operators'.

mod holder;
mod issue;
mod refresh;
mod revoke;
mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::issue::{Grant, IssueJwt, IssuedJwt};
pub use self::refresh::RefreshJwt;
pub use self::signing::{RotateSigningKey, reload};

use latchkey_core::id::TenantId;
use latchkey_core::memory::Memory;
use latchkey_core::ports::KeyStore;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_core::witness::{Ended, Event, Witness};

use super::{Registrar, RegistrarParts};
use crate::ports::AuditEntry;
use crate::ports::tokens::{TokenLedger, Workers};

/// What a token desk is made of.
pub struct TokenDeskParts {
    /// Whose rules on tenants and whose parts it shares.
    pub registrar: Arc<Registrar>,
    /// Where users, families and signing keys are kept.
    pub ledger: Arc<dyn TokenLedger>,
    /// Where keys and users are looked up.
    pub keys: Arc<dyn KeyStore>,
    /// Where this replica's signing keys are.
    pub memory: Arc<Memory>,
    /// Who hashes passwords and makes keys.
    pub workers: Arc<dyn Workers>,
    /// Who hears of logins and tokens.
    pub witness: Arc<dyn Witness>,
}

/// Issues, renews and ends tokens, and manages users.
pub struct TokenDesk {
    pub(super) parts: TokenDeskParts,
}

/// One wording for everything that an attacker could tell apart.
const BAD: Refusal = Refusal::Unauthenticated("the credential is not valid");

impl TokenDesk {
    /// A desk of these parts.
    #[must_use]
    pub fn new(parts: TokenDeskParts) -> Self {
        Self { parts }
    }

    pub(super) fn shared(&self) -> &RegistrarParts {
        &self.parts.registrar.parts
    }

    fn noted(&self, event: Event) {
        self.parts.witness.noted(event);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared().clock.now().wall
    }

    /// An entry for what happens to a tenant's things now, by whom.
    pub(super) fn told(&self, actor: &str, action: &'static str, tenant: TenantId) -> AuditEntry {
        AuditEntry {
            time: self.now(),
            tenant: Some(tenant),
            actor: actor.to_owned(),
            action,
            target: String::new(),
            request_id: String::new(),
            details: BTreeMap::new(),
        }
    }
}

/// How a call ended.
fn ended<T>(result: &Result<T, Failure>) -> Ended {
    match result {
        Ok(_) => Ended::Done,
        Err(Failure::Refused(_)) => Ended::Refused,
        Err(Failure::Trouble(_)) => Ended::Failed,
    }
}
