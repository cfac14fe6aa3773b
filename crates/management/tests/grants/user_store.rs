//! Store of users in memory. There are no tokens, no signing keys and no logins.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::login::LoginVerdict;
use latchkey_core::observer::NoopObserver;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::ports::{KeyStore, LookupResult, ReadAt, TokenFamily};
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

/// Users of one tenant.
#[derive(Default)]
pub(crate) struct UserStore {
    pub(crate) users: Mutex<Vec<UserRecord>>,
    /// Record that another call writes before the next change reads the user.
    pub(crate) meanwhile: Mutex<Option<UserRecord>>,
}

impl UserStore {
    pub(crate) fn find(&self, id: UserId) -> Option<UserRecord> {
        self.users.lock().unwrap().iter().find(|user| user.id == id).cloned()
    }

    fn put(&self, user: &UserRecord) {
        let mut users = self.users.lock().unwrap();
        users.retain(|other| other.id != user.id);
        users.push(user.clone());
    }
}

/// Returns a service for users that has this store.
pub(crate) fn token_issuer(management: &Arc<ManagementService>, store: &Arc<UserStore>) -> TokenIssuer {
    TokenIssuer::new(TokenIssuerParts {
        management: Arc::clone(management),
        store: Arc::clone(store) as _,
        keys: Arc::clone(store) as _,
        cache: Arc::new(ReplicaCache::new(1 << 20)),
        blocking: Arc::clone(store) as _,
        observer: Arc::new(NoopObserver),
    })
}

/// Returns whether a call that sets a password was allowed: it then needs a hash, and [`UserStore`] makes none.
pub(crate) fn needs_a_hash<T>(result: &Result<T, ManagementError>) -> bool {
    matches!(result, Err(ManagementError::Request(RequestError::ResourceExhausted(_))))
}

#[async_trait]
impl BlockingExecutor for UserStore {
    async fn run(&self, _: Job) -> Result<(), RequestError> {
        Err(RequestError::ResourceExhausted("no password is hashed in this test"))
    }
}

#[async_trait]
impl KeyStore for UserStore {
    async fn key_by_hash(&self, _: &KeyHash) -> Result<LookupResult, SystemError> {
        Ok(LookupResult { entry: None, read_at: ReadAt::default() })
    }
}

#[async_trait]
impl TokenStore for UserStore {
    async fn create_user(
        &self,
        _: UserRecord,
        _: PasswordHash,
        _: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        unreachable!("no password is hashed")
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, SystemError> {
        Ok(self.find(id))
    }

    async fn users(
        &self,
        _: &UserFilter,
        _: &ListRange<UserOrder>,
    ) -> Result<ListPart<UserRecord>, SystemError> {
        Ok(ListPart { items: self.users.lock().unwrap().clone(), next: None })
    }

    async fn change_user(
        &self,
        id: UserId,
        rule: UserUpdateFn<'_>,
        _: Option<PasswordHash>,
        _: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(user) = meanwhile {
            self.put(&user);
        }
        let new = rule(&self.find(id).ok_or_else(|| RequestError::not_found("user", &id))?)?;
        self.put(&new);
        Ok(WriteResult::written(1, new))
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
