//! The store's port for users, token families and signing keys: each method runs a query or a write of another
//! file under the deadline.

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::login::LoginVerdict;
use latchkey_core::ports::TokenFamily;
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::{LoginAttempt, SigningKeysUpdateFn, TokenStore, UserUpdateFn};
use latchkey_management::ports::{AuditEntry, ListPart, ListRange, UserFilter, UserOrder, WriteResult};

use super::Store;
use crate::batch::{FamilyStart, SharedWrite, TokenRedemption};
use crate::{query, write};

#[async_trait]
impl TokenStore for Store {
    async fn create_user(
        &self,
        user: UserRecord,
        password: PasswordHash,
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        self.with_deadline(
            QueryKind::Write,
            Box::pin(async { write::user::create(self.pool.begin().await?, user, password, &audit).await }),
        )
        .await
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::user::by_id(&self.pool.acquire().await?, id).await
        })
        .await
    }

    async fn users(
        &self,
        filter: &UserFilter,
        range: &ListRange<UserOrder>,
    ) -> Result<ListPart<UserRecord>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::user::page(&self.pool.acquire().await?, filter, range).await
        })
        .await
    }

    async fn change_user(
        &self,
        id: UserId,
        rule: UserUpdateFn<'_>,
        password: Option<PasswordHash>,
        audit: AuditEntry,
    ) -> Result<WriteResult<UserRecord>, ManagementError> {
        self.with_deadline(
            QueryKind::Write,
            Box::pin(async {
                write::user::change(self.pool.begin().await?, id, rule, password, &audit).await
            }),
        )
        .await
    }

    async fn login_user(
        &self,
        tenant: TenantId,
        email: &str,
    ) -> Result<Option<(UserRecord, PasswordHash)>, SystemError> {
        self.with_deadline(QueryKind::Login, async {
            query::user::for_login(&self.pool.acquire().await?, tenant, email).await
        })
        .await
    }

    async fn decide_login(
        &self,
        attempt: &LoginAttempt,
        lock: Option<AuditEntry>,
    ) -> Result<LoginVerdict, SystemError> {
        self.with_deadline(
            QueryKind::Login,
            Box::pin(async { write::login::decide(self.pool.begin().await?, attempt, lock).await }),
        )
        .await
    }

    async fn replace_password(
        &self,
        id: UserId,
        old: &PasswordHash,
        new: PasswordHash,
    ) -> Result<(), SystemError> {
        self.with_deadline(QueryKind::Login, async {
            write::user::replace_password(self.pool.begin().await?, id, old, new).await
        })
        .await
    }

    async fn prune_logins(&self, before: Timestamp) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::Prune, async {
            write::login::prune(self.pool.begin().await?, before).await
        })
        .await
    }

    async fn create_family(
        &self,
        family: FamilyRecord,
        first: RefreshRecord,
        most: u32,
        audit: AuditEntry,
    ) -> Result<(), ManagementError> {
        let start = FamilyStart { family, first, most, audit };
        self.with_deadline(QueryKind::Token, self.writes.write(start, SharedWrite::StartFamily)).await
    }

    async fn redeem_refresh_token(
        &self,
        hash: &KeyHash,
        spent: Redemption,
        successor: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<bool, ManagementError> {
        let redemption = TokenRedemption { hash: *hash, redemption: spent, successor, audit };
        self.with_deadline(QueryKind::Token, self.writes.write(redemption, SharedWrite::RedeemToken)).await
    }

    async fn family_by_id(&self, id: FamilyId) -> Result<Option<TokenFamily>, SystemError> {
        self.with_deadline(QueryKind::Token, async {
            query::token::family(&self.pool.acquire().await?, id).await
        })
        .await
    }

    async fn end_family(
        &self,
        id: FamilyId,
        at: Timestamp,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        self.with_deadline(QueryKind::Token, async {
            write::family::end(self.pool.begin().await?, id, at, &audit).await
        })
        .await
    }

    async fn prune_families(&self, before: Timestamp) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::Prune, async {
            write::family::prune(self.pool.begin().await?, before).await
        })
        .await
    }

    async fn signing_keys(&self) -> Result<SigningKeys, SystemError> {
        self.with_deadline(QueryKind::SigningKeys, async {
            query::token::signing_keys(&self.pool.acquire().await?).await
        })
        .await
    }

    async fn change_signing_keys(
        &self,
        profile: &str,
        rule: SigningKeysUpdateFn<'_>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        let work = Box::pin(async {
            write::signing_key::change(self.pool.begin().await?, profile, rule, now, &audit).await
        });
        self.with_deadline(QueryKind::SigningKeys, work).await
    }
}
