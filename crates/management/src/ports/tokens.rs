//! Interfaces for tokens and users: their store, and an executor for long computations.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::login::LoginVerdict;
use latchkey_core::ports::TokenFamily;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::SigningKeyRecord;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::user::UserRecord;

use super::{AuditEntry, ListPart, ListRange, UserFilter, UserOrder, WriteResult};
use crate::password::PasswordHash;

/// Login attempt whose password was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// Account by [`latchkey_core::login::account_id`]; it need not exist.
    pub account: KeyHash,
    /// Address by [`latchkey_core::login::address_id`].
    pub address: KeyHash,
    /// True if the account exists, may log in, and the password is right.
    pub correct: bool,
    /// Time of the attempt.
    pub time: Timestamp,
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
    /// Reads a part of a list of users.
    async fn users(
        &self,
        filter: &UserFilter,
        range: &ListRange<UserOrder>,
    ) -> Result<ListPart<UserRecord>, SystemError>;
    /// Changes a user by a rule, and the password if a new one is given, which also resets failed logins. An
    /// unchanged user without a new password is not written.
    async fn change_user(
        &self,
        id: UserId,
        rule: UserUpdateFn<'_>,
        password: Option<PasswordHash>,
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError>;
    /// Reads the user with an e-mail address, and the hash to compare the password with.
    async fn login_user(
        &self,
        tenant: TenantId,
        email: &str,
    ) -> Result<Option<(UserRecord, PasswordHash)>, SystemError>;
    /// Decides on an attempt by [`latchkey_core::login::LoginHistory::decide`], one attempt of an account at a time,
    /// so that concurrent attempts cannot exceed the limit, and stores the history. `lock` is written if the attempt
    /// locks the account for the address.
    async fn decide_login(
        &self,
        attempt: &LoginAttempt,
        lock: Option<AuditEntry>,
    ) -> Result<LoginVerdict, SystemError>;
    /// Replaces a user's password hash by another one of the same password, unless it is not `old` any more.
    async fn replace_password(
        &self,
        id: UserId,
        old: &PasswordHash,
        new: PasswordHash,
    ) -> Result<(), SystemError>;
    /// Deletes a batch of login histories that were obsolete before a time; returns their number.
    async fn prune_logins(&self, before: Timestamp) -> Result<u64, SystemError>;

    /// Creates a family with its first refresh token. If its key or user has more than `most` living families then, ends
    /// some of the others, and adds them to the audit entry as `ended`. Does not wait until every replica knows of
    /// their end: they are ended to save room.
    async fn create_family(
        &self,
        family: FamilyRecord,
        first: RefreshRecord,
        most: u32,
        audit: AuditEntry,
    ) -> Result<(), ManagementError>;
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

    /// Returns the number of jobs that can run and wait at a time.
    fn capacity(&self) -> usize {
        usize::MAX
    }
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
