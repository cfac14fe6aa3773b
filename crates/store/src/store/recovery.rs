//! The store's port for the recovery of a database that lost commits.

use async_trait::async_trait;
use latchkey_core::cache::TakenAway;
use latchkey_core::error::SystemError;
use latchkey_core::ports::Change;
use latchkey_core::ports::timing::QueryKind;
use latchkey_management::ports::recovery::{ReapplyTo, RecoveryStore};
use latchkey_management::ports::{AuditEntry, WriteResult};

use super::Store;
use crate::{journal, query, write};

#[async_trait]
impl RecoveryStore for Store {
    async fn reapply(
        &self,
        taken: &TakenAway,
        objects: ReapplyTo,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, SystemError> {
        let work = Box::pin(async { write::reapply::reapply(&self.pool, taken, objects, &audit).await });
        self.with_deadline(QueryKind::Write, work).await
    }

    async fn outdated(&self, after: u64, limit: u32) -> Result<Vec<Change>, SystemError> {
        self.with_deadline(QueryKind::ChangeFeed, async {
            query::outdated::changes(&self.pool.acquire().await?, after, limit).await
        })
        .await
    }

    async fn record(&self, audit: AuditEntry) -> Result<(), SystemError> {
        let work = Box::pin(async {
            let connection = self.pool.begin().await?;
            journal::append_audit(&connection, &audit).await?;
            Ok(connection.commit().await?)
        });
        self.with_deadline(QueryKind::Write, work).await
    }
}
