//! Ports that a follower has and of which it uses one method each.

use std::collections::HashMap;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::{FamilyId, KeyId, TenantId, UserId};
use latchkey_core::login::LoginVerdict;
use latchkey_core::ports::TokenFamily;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::profile_change::AffectedRecords;
use latchkey_core::record::{KeyRecord, ProfileRecord, ProfileSecretRecord, TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::impact::Impact;
use latchkey_management::ports::tokens::{LoginAttempt, SigningKeysUpdateFn, TokenStore, UserUpdateFn};
use latchkey_management::ports::{
    ApplyResult, AuditEntry, Created, ExistingHash, KeyFilter, KeyOrder, KeyRotationFn, KeyUpdateFn,
    ListPart, ListRange, ManagementStore, NewKey, NewProfileVersion, TenantFilter, TenantOrder,
    TenantUpdateFn, UserFilter, UserOrder, WriteResult,
};

use super::link::Link;

#[async_trait]
impl ManagementStore for Link {
    async fn key(&self, _: KeyId) -> Result<Option<KeyRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn keys(&self, _: &KeyFilter, _: &ListRange<KeyOrder>) -> Result<ListPart<KeyRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn tenant(&self, _: &TenantRef) -> Result<Option<TenantRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn tenants_by_id(&self, _: &[TenantId]) -> Result<Vec<TenantRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn tenants(
        &self,
        _: &TenantFilter,
        _: &ListRange<TenantOrder>,
    ) -> Result<ListPart<TenantRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn profiles(&self) -> Result<Vec<ProfileRecord>, SystemError> {
        self.read(|_| Vec::new()).await
    }

    async fn profile(&self, _: &str, _: Option<u64>) -> Result<Option<ProfileRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn existing_hashes(&self, _: &[KeyHash]) -> Result<HashMap<KeyHash, ExistingHash>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn create_keys(
        &self,
        _: Vec<NewKey>,
        _: AuditEntry,
    ) -> Result<WriteResult<Vec<Created>>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn change_key(
        &self,
        _: KeyId,
        _: KeyUpdateFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<KeyRecord>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn rotate_key(
        &self,
        _: KeyId,
        _: KeyRotationFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<(KeyRecord, KeyRecord)>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn create_tenant(
        &self,
        _: TenantRecord,
        _: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn change_tenant(
        &self,
        _: TenantId,
        _: TenantUpdateFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<TenantRecord>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn profile_versions(
        &self,
        _: &str,
        _: Option<u64>,
        _: u32,
    ) -> Result<Vec<ProfileRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn impact(&self, _: &str, _: &AffectedRecords, _: Timestamp) -> Result<Impact, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn apply_profile(
        &self,
        _: NewProfileVersion<'_>,
        _: AuditEntry,
    ) -> Result<ApplyResult, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn profile_secrets(&self) -> Result<Vec<ProfileSecretRecord>, SystemError> {
        self.read(|_| Vec::new()).await
    }

    async fn set_profile_secret(
        &self,
        _: ProfileSecretRecord,
        _: AuditEntry,
    ) -> Result<WriteResult<ProfileSecretRecord>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn delete_profile_secret(
        &self,
        _: &str,
        _: &str,
        _: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn bootstrap_operator(
        &self,
        _: TenantRecord,
        _: KeyRecord,
        _: bool,
        _: AuditEntry,
    ) -> Result<WriteResult<bool>, ManagementError> {
        unreachable!("a follower does not call this")
    }
}

#[async_trait]
impl TokenStore for Link {
    async fn create_user(
        &self,
        _: UserRecord,
        _: PasswordHash,
        _: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn user(&self, _: UserId) -> Result<Option<UserRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn users(
        &self,
        _: &UserFilter,
        _: &ListRange<UserOrder>,
    ) -> Result<ListPart<UserRecord>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn change_user(
        &self,
        _: UserId,
        _: UserUpdateFn<'_>,
        _: Option<PasswordHash>,
        _: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn login_user(
        &self,
        _: TenantId,
        _: &str,
    ) -> Result<Option<(UserRecord, PasswordHash)>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn decide_login(
        &self,
        _: &LoginAttempt,
        _: Option<AuditEntry>,
    ) -> Result<LoginVerdict, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn replace_password(
        &self,
        _: UserId,
        _: &PasswordHash,
        _: PasswordHash,
    ) -> Result<(), SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn prune_logins(&self, _: Timestamp) -> Result<u64, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn create_family(
        &self,
        _: FamilyRecord,
        _: RefreshRecord,
        _: u32,
        _: AuditEntry,
    ) -> Result<(), ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn redeem_refresh_token(
        &self,
        _: &KeyHash,
        _: Redemption,
        _: RefreshRecord,
        _: AuditEntry,
    ) -> Result<bool, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn family_by_id(&self, _: FamilyId) -> Result<Option<TokenFamily>, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn end_family(
        &self,
        _: FamilyId,
        _: Timestamp,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        unreachable!("a follower does not call this")
    }

    async fn prune_families(&self, _: Timestamp) -> Result<u64, SystemError> {
        unreachable!("a follower does not call this")
    }

    async fn signing_keys(&self) -> Result<SigningKeys, SystemError> {
        self.read(|database| SigningKeys { keys: Vec::new(), revision: database.head }).await
    }

    async fn change_signing_keys(
        &self,
        _: &str,
        _: SigningKeysUpdateFn<'_>,
        _: Timestamp,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        unreachable!("a follower does not call this")
    }
}
