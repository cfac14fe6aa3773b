//! Store of deletions in memory: nothing was deleted before, and every deletion succeeds.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::record::TenantRecord;
use latchkey_management::ports::deletion::{
    DeletedObject, Deletion, DeletionStore, ErasedObjects, KeyDeletionRule, UserDeletionRule,
};
use latchkey_management::ports::{AuditEntry, WriteResult};
use latchkey_management::{Deletions, ManagementService, TokenIssuer};

struct NoDeletions;

/// Returns the service of deletions.
pub(crate) fn deletions(management: &Arc<ManagementService>, tokens: &Arc<TokenIssuer>) -> Arc<Deletions> {
    Arc::new(Deletions::new(Arc::clone(management), Arc::clone(tokens), Arc::new(NoDeletions)))
}

#[async_trait]
impl DeletionStore for NoDeletions {
    async fn deletion(&self, _: &DeletedObject) -> Result<Option<Deletion>, SystemError> {
        Ok(None)
    }

    async fn delete_key(
        &self,
        _: KeyId,
        _: KeyDeletionRule<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        Ok(WriteResult::written(1, ()))
    }

    async fn delete_user(
        &self,
        _: UserId,
        _: UserDeletionRule<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        Ok(WriteResult::written(1, ()))
    }

    async fn begin_tenant_deletion(
        &self,
        _: TenantId,
        _: AuditEntry,
    ) -> Result<WriteResult<()>, ManagementError> {
        Ok(WriteResult::written(1, ()))
    }

    async fn erase_tenant(&self, _: TenantId, _: &str) -> Result<ErasedObjects, SystemError> {
        Ok(ErasedObjects::default())
    }

    async fn finish_tenant_deletion(&self, _: TenantId, _: AuditEntry) -> Result<bool, SystemError> {
        Ok(true)
    }

    async fn tenants_of_profile(&self, _: &str, _: u32) -> Result<Vec<TenantRecord>, SystemError> {
        Ok(Vec::new())
    }

    async fn ended_tenants_of_profile(&self, _: &str, _: u32) -> Result<Vec<TenantId>, SystemError> {
        Ok(Vec::new())
    }

    async fn delete_profile(&self, _: &str, _: AuditEntry) -> Result<WriteResult<()>, ManagementError> {
        Ok(WriteResult::written(1, ()))
    }
}
