//! Token issuer on a store without users, token families and signing keys. The tests of `latchkey-management`, of
//! `latchkey-store` and of the whole program cover its behaviour.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::login::LoginVerdict;
use latchkey_core::observer::NoopObserver;
use latchkey_core::ports::TokenFamily;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::{
    BlockingExecutor, Job, LoginAttempt, SigningKeysUpdateFn, TokenStore, UserUpdateFn,
};
use latchkey_management::ports::{AuditEntry, ListPart, ListRange, UserFilter, UserOrder, WriteResult};
use latchkey_management::{ManagementService, TokenIssuer, TokenIssuerParts};

use crate::fake_store::FakeStore;

struct NoTokens;

/// Returns a token issuer that uses this store for keys.
pub(crate) fn token_issuer(management: &Arc<ManagementService>, store: &Arc<FakeStore>) -> Arc<TokenIssuer> {
    Arc::new(TokenIssuer::new(TokenIssuerParts {
        management: Arc::clone(management),
        store: Arc::new(NoTokens),
        keys: Arc::clone(store) as _,
        cache: Arc::new(ReplicaCache::new(1 << 20)),
        blocking: Arc::new(NoTokens),
        observer: Arc::new(NoopObserver),
    }))
}

#[async_trait]
impl BlockingExecutor for NoTokens {
    async fn run(&self, job: Job) -> Result<(), RequestError> {
        job();
        Ok(())
    }
}

#[async_trait]
impl TokenStore for NoTokens {
    async fn create_user(
        &self,
        _: UserRecord,
        _: PasswordHash,
        _: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        Err(SystemError::database().into())
    }

    async fn user(&self, _: UserId) -> Result<Option<UserRecord>, SystemError> {
        Ok(None)
    }

    async fn users(
        &self,
        _: &UserFilter,
        _: &ListRange<UserOrder>,
    ) -> Result<ListPart<UserRecord>, SystemError> {
        Ok(ListPart { items: Vec::new(), next: None })
    }

    async fn change_user(
        &self,
        _: UserId,
        _: UserUpdateFn<'_>,
        _: Option<PasswordHash>,
        _: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        Err(SystemError::database().into())
    }

    async fn login_user(
        &self,
        _: TenantId,
        _: &str,
    ) -> Result<Option<(UserRecord, PasswordHash)>, SystemError> {
        Ok(None)
    }

    async fn decide_login(
        &self,
        _: &LoginAttempt,
        _: Option<AuditEntry>,
    ) -> Result<LoginVerdict, SystemError> {
        Ok(LoginVerdict::Failure)
    }

    async fn replace_password(
        &self,
        _: UserId,
        _: &PasswordHash,
        _: PasswordHash,
    ) -> Result<(), SystemError> {
        Ok(())
    }

    async fn prune_logins(&self, _: Timestamp) -> Result<u64, SystemError> {
        Ok(0)
    }

    async fn create_family(
        &self,
        _: FamilyRecord,
        _: RefreshRecord,
        _: u32,
        _: AuditEntry,
    ) -> Result<(), ManagementError> {
        Err(SystemError::database().into())
    }

    async fn redeem_refresh_token(
        &self,
        _: &KeyHash,
        _: Redemption,
        _: RefreshRecord,
        _: AuditEntry,
    ) -> Result<bool, ManagementError> {
        Ok(false)
    }

    async fn family_by_id(&self, _: FamilyId) -> Result<Option<TokenFamily>, SystemError> {
        Ok(None)
    }

    async fn end_family(
        &self,
        _: FamilyId,
        _: Timestamp,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        Ok(WriteResult::unchanged(0, ()))
    }

    async fn prune_families(&self, _: Timestamp) -> Result<u64, SystemError> {
        Ok(0)
    }

    async fn signing_keys(&self) -> Result<SigningKeys, SystemError> {
        Ok(SigningKeys { keys: Vec::new(), revision: 0 })
    }

    async fn change_signing_keys(
        &self,
        _: &str,
        _: SigningKeysUpdateFn<'_>,
        _: Timestamp,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        Ok(WriteResult::unchanged(0, ()))
    }
}
