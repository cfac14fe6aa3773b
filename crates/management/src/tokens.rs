//! The token desk: turns a key or a password into tokens, renews and ends them, and keeps the signing keys. Who
//! asks for a token shows what it is for in the asking; signing keys are the operators'.

mod holder;
mod issue;
mod refresh;
mod revoke;
mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::issue::{IssueJwt, IssuedTokens, TokenGrant};
pub use self::refresh::RefreshJwt;
pub use self::signing::{RotateSigningKey, reload_signing_keys};

use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::TenantId;
use latchkey_core::observer::{CallOutcome, CheckObserver, TokenEvent};
use latchkey_core::ports::KeyStore;
use latchkey_core::time::Timestamp;

use super::{ManagementService, ManagementServiceParts};
use crate::ports::AuditEntry;
use crate::ports::tokens::{BlockingExecutor, TokenStore};

/// What a token desk is made of.
pub struct TokenIssuerParts {
    /// Whose rules on tenants and whose parts it shares.
    pub management: Arc<ManagementService>,
    /// Where users, families and signing keys are kept.
    pub store: Arc<dyn TokenStore>,
    /// Where keys and users are looked up.
    pub keys: Arc<dyn KeyStore>,
    /// Where this replica's signing keys are.
    pub cache: Arc<ReplicaCache>,
    /// Who hashes passwords and makes keys.
    pub blocking: Arc<dyn BlockingExecutor>,
    /// Who hears of logins and tokens.
    pub observer: Arc<dyn CheckObserver>,
}

/// Issues, renews and ends tokens, and manages users.
pub struct TokenIssuer {
    pub(super) parts: TokenIssuerParts,
}

/// One wording for everything that an attacker could tell apart.
const INVALID_CREDENTIAL: RequestError = RequestError::Unauthenticated("the credential is not valid");

impl TokenIssuer {
    /// A desk of these parts.
    #[must_use]
    pub fn new(parts: TokenIssuerParts) -> Self {
        Self { parts }
    }

    pub(super) fn shared(&self) -> &ManagementServiceParts {
        &self.parts.management.parts
    }

    fn emit(&self, event: TokenEvent) {
        self.parts.observer.on_token_event(event);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared().clock.now().wall
    }

    /// An entry for what happens to a tenant's things now, by whom.
    pub(super) fn subject_audit_entry(
        &self,
        actor: &str,
        action: &'static str,
        tenant: TenantId,
    ) -> AuditEntry {
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
fn call_outcome<T>(result: &Result<T, ManagementError>) -> CallOutcome {
    match result {
        Ok(_) => CallOutcome::Ok,
        Err(ManagementError::Request(_)) => CallOutcome::Rejected,
        Err(ManagementError::System(_)) => CallOutcome::Error,
    }
}
