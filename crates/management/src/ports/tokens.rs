//! What tokens and users need from outside: where they are kept, and who does work that takes long.

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

/// An attempt to sign in.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    /// Who, by e-mail.
    pub user: UserRecord,
    /// The password to compare with.
    pub password: PasswordHash,
    /// Whether there was room for one more failure; it is counted already.
    pub allowed: bool,
}

/// Decides on a user inside the write's own transaction: what it becomes, or why not.
pub type UserUpdateFn<'a> = Box<dyn FnOnce(&UserRecord) -> Result<UserRecord, RequestError> + Send + 'a>;
/// The same for all of a profile's signing keys: those that change and those that are new come back.
pub type SigningKeysUpdateFn<'a> =
    Box<dyn FnOnce(&[SigningKeyRecord]) -> Result<Vec<SigningKeyRecord>, RequestError> + Send + 'a>;

/// The authority on users, families and signing keys.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Makes a user; an e-mail address that the tenant has already is `AlreadyExists`.
    async fn create_user(
        &self,
        user: UserRecord,
        password: PasswordHash,
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError>;
    /// The user of this identifier.
    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, SystemError>;
    /// Users of a tenant, newest first, older than `before`, at most `limit`.
    async fn users(
        &self,
        tenant: TenantId,
        before: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRecord>, SystemError>;
    /// Changes a user by a rule, and the password, where a new one is given; that also takes back failed
    /// attempts. An unchanged user without a new password is not written.
    async fn change_user(
        &self,
        id: UserId,
        (rule, password): (UserUpdateFn<'_>, Option<PasswordHash>),
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError>;
    /// Counts an attempt to sign in as failed, before it is tried, so that no number of them at once gets
    /// past the bound; [`latchkey_core::user::Attempts`] says how. `lock` is written where this is the last attempt that
    /// there is room for; its time is now, and its target the user.
    async fn begin_login(
        &self,
        tenant: TenantId,
        email: &str,
        lock: AuditEntry,
    ) -> Result<Option<LoginAttempt>, SystemError>;
    /// Takes failed attempts back, after one that succeeded.
    async fn reset_failed_logins(&self, id: UserId) -> Result<(), SystemError>;

    /// Begins a family with its first refresh token.
    async fn create_family(
        &self,
        family: FamilyRecord,
        first: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<(), ManagementError>;
    /// The refresh token of this hash, and its family.
    async fn refresh_token(
        &self,
        hash: &KeyHash,
    ) -> Result<Option<(RefreshRecord, TokenFamily)>, SystemError>;
    /// Spends a refresh token and keeps its successor, if nobody has spent it yet and its family lives: one
    /// conditional statement, so that of any number of callers one is told that it was the one.
    async fn redeem_refresh_token(
        &self,
        hash: &KeyHash,
        spent: Redemption,
        successor: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<bool, ManagementError>;
    /// The family of this identifier.
    async fn family_by_id(&self, id: FamilyId) -> Result<Option<TokenFamily>, SystemError>;
    /// Ends a family. One that has ended already is not written.
    async fn end_family(
        &self,
        id: FamilyId,
        at: Timestamp,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
    /// Drops families that were over before a time, some at a time; answers how many.
    async fn prune_families(&self, before: Timestamp) -> Result<u64, SystemError>;

    /// Every signing key. The revision is read first.
    async fn signing_keys(&self) -> Result<SigningKeys, SystemError>;
    /// Changes a profile's signing keys by a rule, one caller at a time. Where it gives none back, nothing is
    /// written. Keys that are spent are dropped on the way.
    async fn change_signing_keys(
        &self,
        profile: &str,
        (rule, now): (SigningKeysUpdateFn<'_>, Timestamp),
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError>;
}

/// A piece of work.
pub type Job = Box<dyn FnOnce() + Send>;

/// Does work that takes long, away from where calls are judged, a bounded number at once.
#[async_trait]
pub trait BlockingExecutor: Send + Sync {
    /// Does it; refused where too much is being done already.
    async fn run(&self, job: Job) -> Result<(), RequestError>;
}

/// Has something worked out.
pub async fn run_blocking<T: Send + 'static>(
    blocking: &dyn BlockingExecutor,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ManagementError> {
    let result = Arc::new(Mutex::new(None));
    let place = Arc::clone(&result);
    let job = Box::new(move || {
        let done = job();
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    });
    blocking.run(job).await?;
    let done = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.ok_or_else(|| SystemError::Internal("a piece of work was not done".into()).into())
}
