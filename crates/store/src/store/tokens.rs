//! The store as the ledger of users, families and signing keys: each method a query or a write of its own file,
//! under the deadline.

use async_trait::async_trait;
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::ports::KnownFamily;
use latchkey_core::ports::timing::Question;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, RefreshRecord, Spent};
use latchkey_core::trouble::{Failure, Trouble};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::{Attempt, SigningKeysRule, TokenLedger, UserRule};
use latchkey_management::ports::{AuditEntry, Written};

use super::Store;
use crate::query::Page;
use crate::{query, write};

#[async_trait]
impl TokenLedger for Store {
    async fn create_user(
        &self,
        user: UserRecord,
        password: PasswordHash,
        audit: AuditEntry,
    ) -> Result<Written<UserRecord>, Failure> {
        let user = (user, password);
        self.within(
            Question::Write,
            Box::pin(async { write::user::create(self.pool.begin().await?, user, &audit).await }),
        )
        .await
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, Trouble> {
        self.within(Question::Read, async { query::user::by_id(&self.pool.lease().await?, id).await }).await
    }

    async fn users(
        &self,
        tenant: TenantId,
        before: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRecord>, Trouble> {
        let page = Page { before, limit };
        self.within(Question::List, async {
            query::user::page(&self.pool.lease().await?, tenant, page).await
        })
        .await
    }

    async fn change_user(
        &self,
        id: UserId,
        change: (UserRule<'_>, Option<PasswordHash>),
        audit: AuditEntry,
    ) -> Result<Written<UserRecord>, Failure> {
        self.within(
            Question::Write,
            Box::pin(async { write::user::change(self.pool.begin().await?, id, change, &audit).await }),
        )
        .await
    }

    async fn attempt(
        &self,
        tenant: TenantId,
        email: &str,
        lock: AuditEntry,
    ) -> Result<Option<Attempt>, Trouble> {
        let who = (tenant, email);
        self.within(
            Question::Login,
            Box::pin(async { write::user::attempt(self.pool.begin().await?, who, lock).await }),
        )
        .await
    }

    async fn forgive(&self, id: UserId) -> Result<(), Trouble> {
        let work = async {
            let lease = self.pool.begin().await?;
            write::user::forgive(&lease, id).await?;
            Ok(lease.commit().await?)
        };
        self.within(Question::Login, work).await
    }

    async fn begin_family(
        &self,
        family: FamilyRecord,
        first: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<(), Failure> {
        let family = (&family, &first);
        self.within(Question::Token, async {
            write::family::begin(self.pool.begin().await?, family, &audit).await
        })
        .await
    }

    async fn refresh_token(&self, hash: &KeyHash) -> Result<Option<(RefreshRecord, KnownFamily)>, Trouble> {
        self.within(Question::Token, async { query::token::refresh(&self.pool.lease().await?, hash).await })
            .await
    }

    async fn spend(
        &self,
        hash: &KeyHash,
        spent: Spent,
        successor: RefreshRecord,
        audit: AuditEntry,
    ) -> Result<bool, Failure> {
        let use_of = (hash, &spent);
        let work = async { write::family::spend(self.pool.begin().await?, use_of, &successor, &audit).await };
        self.within(Question::Token, work).await
    }

    async fn family_by_id(&self, id: FamilyId) -> Result<Option<KnownFamily>, Trouble> {
        self.within(Question::Token, async { query::token::family(&self.pool.lease().await?, id).await })
            .await
    }

    async fn end_family(
        &self,
        id: FamilyId,
        at: Timestamp,
        audit: AuditEntry,
    ) -> Result<Written<()>, Failure> {
        self.within(Question::Token, async {
            write::family::end(self.pool.begin().await?, id, at, &audit).await
        })
        .await
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64, Trouble> {
        self.within(Question::Prune, async { write::family::sweep(self.pool.begin().await?, before).await })
            .await
    }

    async fn signing_keys(&self) -> Result<SigningKeys, Trouble> {
        self.within(Question::SigningKeys, async {
            query::token::signing_keys(&self.pool.lease().await?).await
        })
        .await
    }

    async fn change_signing_keys(
        &self,
        profile: &str,
        change: (SigningKeysRule<'_>, Timestamp),
        audit: AuditEntry,
    ) -> Result<Written<()>, Failure> {
        let work =
            async { write::signing_key::change(self.pool.begin().await?, profile, change, &audit).await };
        self.within(Question::SigningKeys, work).await
    }
}
