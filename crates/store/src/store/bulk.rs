//! The store's port for changes of many keys.

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::KeyId;
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::record::KeyRecord;
use latchkey_management::ports::bulk::{BulkChange, BulkStore, ChangedKeys, KeyCheckFn};
use latchkey_management::ports::{AuditEntry, WriteResult};

use super::Store;
use crate::{journal, query, write};

#[async_trait]
impl BulkStore for Store {
    async fn keys_by_id(&self, ids: &[KeyId]) -> Result<Vec<KeyRecord>, SystemError> {
        // Without the permit of a list, so that a call that revokes keys by their identifiers waits for no list.
        self.with_deadline(QueryKind::Read, async {
            query::key::by_ids(&self.pool.acquire().await?, ids).await
        })
        .await
    }

    async fn change_keys(
        &self,
        ids: &[KeyId],
        change: &BulkChange,
        check: KeyCheckFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<ChangedKeys>, ManagementError> {
        let work = async { write::bulk::change(self.pool.begin().await?, ids, change, check, &audit).await };
        self.with_deadline(QueryKind::Write, Box::pin(work)).await
    }

    async fn record_bulk(&self, audit: AuditEntry) -> Result<(), SystemError> {
        let work = Box::pin(async {
            let connection = self.pool.begin().await?;
            journal::append_audit(&connection, &audit).await?;
            Ok(connection.commit().await?)
        });
        self.with_deadline(QueryKind::Write, work).await
    }
}
