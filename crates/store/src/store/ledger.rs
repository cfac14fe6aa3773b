//! The store as management's ledger: each method a query or a write of its own file, under the deadline.

use async_trait::async_trait;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::timing::Question;
use latchkey_core::record::{KeyRecord, ProfileRecord, TenantRecord, TenantRef};
use latchkey_core::trouble::{Failure, Trouble};
use latchkey_management::ports::{
    Applied, AuditEntry, KeyFilter, KeyRule, Ledger, Made, NewKey, RotateRule, TenantRule, Written,
};

use super::Store;
use crate::query::{self, Page};
use crate::write;

#[async_trait]
impl Ledger for Store {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Trouble> {
        self.within(Question::Read, async { query::key::by_id(&self.pool.lease().await?, id).await }).await
    }

    async fn keys(
        &self,
        tenant: TenantId,
        filter: &KeyFilter,
        before: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, Trouble> {
        let page = Page { before, limit };
        self.within(Question::List, async {
            query::key::page(&self.pool.lease().await?, tenant, filter, page).await
        })
        .await
    }

    async fn tenant(&self, tenant: &TenantRef) -> Result<Option<TenantRecord>, Trouble> {
        self.within(Question::Read, async { query::tenant::named(&self.pool.lease().await?, tenant).await })
            .await
    }

    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<TenantRecord>, Trouble> {
        let page = Page { before, limit };
        self.within(Question::List, async { query::tenant::page(&self.pool.lease().await?, page).await })
            .await
    }

    async fn profiles(&self) -> Result<Vec<ProfileRecord>, Trouble> {
        self.within(Question::Read, async { query::profile::newest(&self.pool.lease().await?).await }).await
    }

    async fn profile(&self, name: &str, version: Option<u64>) -> Result<Option<ProfileRecord>, Trouble> {
        self.within(Question::Read, async {
            query::profile::version(&self.pool.lease().await?, name, version).await
        })
        .await
    }

    async fn create_keys(&self, keys: Vec<NewKey>, audit: AuditEntry) -> Result<Written<Vec<Made>>, Failure> {
        self.within(
            Question::Write,
            Box::pin(async { write::create::keys(self.pool.begin().await?, keys, &audit).await }),
        )
        .await
    }

    async fn change_key(
        &self,
        id: KeyId,
        rule: KeyRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<KeyRecord>, Failure> {
        self.within(
            Question::Write,
            Box::pin(async { write::change::key(self.pool.begin().await?, id, rule, &audit).await }),
        )
        .await
    }

    async fn rotate_key(
        &self,
        id: KeyId,
        rule: RotateRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<(KeyRecord, KeyRecord)>, Failure> {
        self.within(
            Question::Write,
            Box::pin(async { write::change::rotate(self.pool.begin().await?, id, rule, &audit).await }),
        )
        .await
    }

    async fn create_tenant(
        &self,
        tenant: TenantRecord,
        audit: AuditEntry,
    ) -> Result<Written<TenantRecord>, Failure> {
        self.within(
            Question::Write,
            Box::pin(async { write::tenant::create(self.pool.begin().await?, tenant, &audit).await }),
        )
        .await
    }

    async fn change_tenant(
        &self,
        id: TenantId,
        rule: TenantRule<'_>,
        audit: AuditEntry,
    ) -> Result<Written<TenantRecord>, Failure> {
        self.within(
            Question::Write,
            Box::pin(async { write::tenant::change(self.pool.begin().await?, id, rule, &audit).await }),
        )
        .await
    }

    async fn apply_profile(
        &self,
        document: (&str, &str),
        among: u64,
        audit: AuditEntry,
    ) -> Result<Applied, Failure> {
        let work = Box::pin(async {
            write::profile::apply(self.pool.begin().await?, document, among, &audit).await
        });
        self.within(Question::Write, work).await
    }

    async fn found(
        &self,
        tenant: TenantRecord,
        first: KeyRecord,
        insist: bool,
        audit: AuditEntry,
    ) -> Result<Written<bool>, Failure> {
        let beginning = (tenant, first);
        let work = Box::pin(async {
            write::found::found(self.pool.begin().await?, beginning, insist, &audit).await
        });
        self.within(Question::Write, work).await
    }
}
