//! Fake store of bulk changes, which has no keys.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::KeyId;
use latchkey_core::record::KeyRecord;
use latchkey_management::ports::bulk::{BulkChange, BulkStore, ChangedKeys, KeyCheckFn};
use latchkey_management::ports::{AuditEntry, WriteResult};
use latchkey_management::{BulkChanges, ManagementService, UsageReader};

struct NoKeys;

/// Returns the service of bulk changes on this store.
pub(crate) fn bulk_changes(
    management: &Arc<ManagementService>,
    usage: &Arc<UsageReader>,
) -> Arc<BulkChanges> {
    Arc::new(BulkChanges::new(Arc::clone(management), Arc::clone(usage), Arc::new(NoKeys)))
}

#[async_trait]
impl BulkStore for NoKeys {
    async fn keys_by_id(&self, _: &[KeyId]) -> Result<Vec<KeyRecord>, SystemError> {
        Ok(Vec::new())
    }

    async fn change_keys(
        &self,
        _: &[KeyId],
        _: &BulkChange,
        _: KeyCheckFn<'_>,
        _: AuditEntry,
    ) -> Result<WriteResult<ChangedKeys>, ManagementError> {
        Ok(WriteResult::written(1, ChangedKeys::default()))
    }

    async fn record_bulk(&self, _: AuditEntry) -> Result<(), SystemError> {
        Ok(())
    }
}
