//! Interfaces for tokens and users: their store, and an executor for long computations.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::ports::TokenFamily;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::SigningKeyRecord;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::user::UserRecord;

use super::{AuditEntry, WriteResult};
use crate::password::PasswordHash;

/// Login attempt.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    /// User with the given e-mail address.
    pub user: UserRecord,
    /// Hash to compare the password with.
    pub password: PasswordHash,
    /// True if the user is not locked. The attempt is already counted as a failure.
    pub allowed: bool,
}

/// Decision on a user inside the write's transaction: the changed record, or the reason for a rejection.
pub type UserUpdateFn<'a> = Box<dyn FnOnce(&UserRecord) -> Result<UserRecord, RequestError> + Send + 'a>;
/// Decision on all signing keys of a profile inside the write's transaction: returns the changed and the new keys.
pub type SigningKeysUpdateFn<'a> =
    Box<dyn FnOnce(&[SigningKeyRecord]) -> Result<Vec<SigningKeyRecord>, RequestError> + Send + 'a>;

/// Store of users, token families and signing keys. The database is the authority.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Creates a user; an e-mail address that the tenant has already is `AlreadyExists`.
    async fn create_user(
        &self,
        user: UserRecord,
        password: PasswordHash,
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError>;
    /// Reads a user by id.
    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, SystemError>;
    /// Reads users of a tenant, newest first, older than `before`, at most `limit`.
    async fn users(
        &self,
        tenant: TenantId,
        before: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRecord>, SystemError>;
    /// Changes a user by a rule, and the password if a new one is given, which also resets failed logins. An
    /// unchanged user without a new password is not written.
    async fn change_user(
        &self,
        id: UserId,
        rule: UserUpdateFn<'_>,
        password: Option<PasswordHash>,
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError>;
    /// Counts a login attempt as failed before the password is compared, so that concurrent attempts cannot exceed
    /// the limit; see [`latchkey_core::user::FailedLogins`]. `lock` is written if this is the last attempt before the
    /// user is locked; its time is now, and its target is the user.
    async fn begin_login(
        &self,
        tenant: TenantId,
        email: &str,
        lock: AuditEntry,
    ) -> Result<Option<LoginAttempt>, SystemError>;
    /// Resets failed logins, after a successful one.
    async fn reset_failed_logins(&self, id: UserId) -> Result<(), SystemError>;

    /// Creates a family with its first refresh token.
    async fn create_family(
        &self,
        family: FamilyRecord,
        first: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<(), ManagementError>;
    /// Reads a refresh token by its hash, with its family.
    async fn refresh_token(
        &self,
        hash: &KeyHash,
    ) -> Result<Option<(RefreshRecord, TokenFamily)>, SystemError>;
    /// Redeems a refresh token and stores its successor, if the token is not redeemed yet and its family has not
    /// ended. One conditional statement, so that exactly one of several concurrent callers gets `true`.
    async fn redeem_refresh_token(
        &self,
        hash: &KeyHash,
        spent: Redemption,
        successor: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<bool, ManagementError>;
    /// Reads a family by id.
    async fn family_by_id(&self, id: FamilyId) -> Result<Option<TokenFamily>, SystemError>;
    /// Ends a family. A family that has ended already is not written.
    async fn end_family(
        &self,
        id: FamilyId,
        at: Timestamp,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
    /// Deletes a batch of families that ended before a time; returns their number.
    async fn prune_families(&self, before: Timestamp) -> Result<u64, SystemError>;

    /// Reads all signing keys. The revision is read first.
    async fn signing_keys(&self) -> Result<SigningKeys, SystemError>;
    /// Changes a profile's signing keys by a rule, one caller at a time. If the rule returns no keys, nothing is
    /// written. Expired keys are deleted in the same transaction.
    async fn change_signing_keys(
        &self,
        profile: &str,
        rule: SigningKeysUpdateFn<'_>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
}

/// Computation that is run by a [`BlockingExecutor`].
pub type Job = Box<dyn FnOnce() + Send>;

/// Executor of long computations, away from the threads that serve Check, with bounded concurrency.
#[async_trait]
pub trait BlockingExecutor: Send + Sync {
    /// Runs a job; returns `ResourceExhausted` if the queue is full.
    async fn run(&self, job: Job) -> Result<(), RequestError>;
}

/// Runs a function on the executor and returns its result.
pub async fn run_blocking<T: Send + 'static>(
    blocking: &dyn BlockingExecutor,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ManagementError> {
    let result = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&result);
    let job = Box::new(move || {
        let done = job();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    });
    blocking.run(job).await?;
    let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.ok_or_else(|| SystemError::Internal("a blocking job did not complete".into()).into())
}
