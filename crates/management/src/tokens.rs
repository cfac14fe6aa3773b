//! Issue, refresh and revocation of tokens, and maintenance of signing keys. A caller of the token calls proves
//! itself by the credential in the request; calls on signing keys are for operators.

mod buckets;
mod holder;
mod issue;
mod login;
mod password_slots;
mod refresh;
mod revoke;
mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::buckets::TokenBuckets;
pub use self::issue::{IssueJwt, IssuedTokens, TokenGrant};
use self::password_slots::PasswordSlots;
pub use self::refresh::RefreshJwt;
pub use self::signing::{RotateSigningKey, reload_signing_keys};

use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::TenantId;
use latchkey_core::observer::{CallOutcome, CheckObserver, TokenEvent};
use latchkey_core::ports::KeyStore;
use latchkey_core::time::Timestamp;

use super::{ManagementService, ManagementServiceParts};
use crate::ports::tokens::{BlockingExecutor, TokenStore};
use crate::ports::{AuditAction, AuditEntry};

/// Dependencies of a [`TokenIssuer`].
pub struct TokenIssuerParts {
    /// Management service, which provides access rules for tenants and shared dependencies.
    pub management: Arc<ManagementService>,
    /// Store of users, families and signing keys.
    pub store: Arc<dyn TokenStore>,
    /// Lookup of keys and users.
    pub keys: Arc<dyn KeyStore>,
    /// Cache of this replica, which holds its signing keys.
    pub cache: Arc<ReplicaCache>,
    /// Executor that hashes passwords and generates keys.
    pub blocking: Arc<dyn BlockingExecutor>,
    /// Receiver of login and token events.
    pub observer: Arc<dyn CheckObserver>,
}

/// Issues, renews and ends tokens, and manages users.
pub struct TokenIssuer {
    pub(super) parts: TokenIssuerParts,
    buckets: TokenBuckets,
    password_slots: PasswordSlots,
}

/// Error for every invalid credential. One text for all causes, so that an attacker cannot tell them apart.
const INVALID_CREDENTIAL: RequestError = RequestError::Unauthenticated("the credential is not valid");

impl TokenIssuer {
    /// Creates an issuer from its dependencies.
    #[must_use]
    pub fn new(parts: TokenIssuerParts) -> Self {
        Self { parts, buckets: TokenBuckets::default(), password_slots: PasswordSlots::default() }
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

    /// Returns an audit entry for an action of `actor` in a tenant, with the present time.
    pub(super) fn subject_audit_entry(
        &self,
        actor: &str,
        action: AuditAction,
        tenant: TenantId,
    ) -> AuditEntry {
        AuditEntry {
            time: self.now(),
            tenant: Some(tenant),
            actor: actor.to_owned(),
            caller: None,
            action,
            target: String::new(),
            request_id: String::new(),
            details: BTreeMap::new(),
        }
    }
}

/// Most batches that one deletion deletes, so that it does not hold up the work that follows for long.
const MOST_BATCHES: u32 = 200;

/// Deletes batches of rows until there are no more, at most [`MOST_BATCHES`]; returns the number of deleted rows.
async fn delete_batches<F>(delete: impl Fn() -> F) -> Result<u64, SystemError>
where
    F: Future<Output = Result<u64, SystemError>>,
{
    let mut deleted = 0;
    for _ in 0..MOST_BATCHES {
        match delete().await? {
            0 => break,
            rows => deleted += rows,
        }
    }
    Ok(deleted)
}

/// Returns the outcome of a call for observers.
fn call_outcome<T>(result: &Result<T, ManagementError>) -> CallOutcome {
    match result {
        Ok(_) => CallOutcome::Ok,
        Err(ManagementError::Request(_)) => CallOutcome::Rejected,
        Err(ManagementError::System(_)) => CallOutcome::Error,
    }
}
