//! The store's port for deletions: each method runs a query or a write of another file under the deadline.

use std::future::Future;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::record::TenantRecord;
use latchkey_management::ports::deletion::{
    DeletedObject, Deletion, DeletionStore, ErasedObjects, KeyDeletionRule, UserDeletionRule,
};
use latchkey_management::ports::{AuditEntry, WriteResult};

use super::Store;
use crate::error::StoreError;
use crate::{query, write};

/// Most attempts to erase an object. A refresh of a token that runs at the same time can add a row after those of its
/// family were deleted; the attempt is then rolled back and repeated.
const ATTEMPTS: u32 = 5;

/// Runs a write again if another transaction has added a row that refers to an erased one.
async fn repeated<T, F: Future<Output = Result<T, StoreError>>>(
    write: impl Fn() -> F,
) -> Result<T, StoreError> {
    for _ in 1..ATTEMPTS {
        match write().await {
            Err(error) if error.is_foreign_key() => {}
            done => return done,
        }
    }
    write().await
}

#[async_trait]
impl DeletionStore for Store {
    async fn deletion(&self, object: &DeletedObject) -> Result<Option<Deletion>, SystemError> {
        self.with_deadline(QueryKind::Read, async {
            query::deletion::of_object(&self.pool.acquire().await?, object).await
        })
        .await
    }

    async fn delete_key(
        &self,
        id: KeyId,
        rule: KeyDeletionRule<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        let once = || async { write::delete::key(self.pool.begin().await?, id, rule, &audit).await };
        self.with_deadline(QueryKind::Write, Box::pin(repeated(once))).await
    }

    async fn delete_user(
        &self,
        id: UserId,
        rule: UserDeletionRule<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        let once = || async { write::delete::user(self.pool.begin().await?, id, rule, &audit).await };
        self.with_deadline(QueryKind::Write, Box::pin(repeated(once))).await
    }

    async fn begin_tenant_deletion(
        &self,
        id: TenantId,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        let work = async { write::delete_tenant::begin(self.pool.begin().await?, id, &audit).await };
        self.with_deadline(QueryKind::Write, Box::pin(work)).await
    }

    async fn erase_tenant(&self, id: TenantId, actor: &str) -> Result<ErasedObjects, SystemError> {
        let once = || async { write::delete_tenant::erase(self.pool.begin().await?, id, actor).await };
        self.with_deadline(QueryKind::Write, Box::pin(repeated(once))).await
    }

    async fn finish_tenant_deletion(&self, id: TenantId, audit: AuditEntry) -> Result<bool, SystemError> {
        let once = || async { write::delete_tenant::finish(self.pool.begin().await?, id, &audit).await };
        self.with_deadline(QueryKind::Write, Box::pin(repeated(once))).await
    }

    async fn tenants_of_profile(&self, profile: &str, limit: u32) -> Result<Vec<TenantRecord>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::tenant::of_profile(&self.pool.acquire().await?, profile, limit).await
        })
        .await
    }

    async fn ended_tenants_of_profile(
        &self,
        profile: &str,
        limit: u32,
    ) -> Result<Vec<TenantId>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::tenant::ended_of_profile(&self.pool.acquire().await?, profile, limit).await
        })
        .await
    }

    async fn delete_profile(
        &self,
        name: &str,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        let work = async { write::delete_profile::delete(self.pool.begin().await?, name, &audit).await };
        self.with_deadline(QueryKind::Write, Box::pin(work)).await
    }
}
