//! The store as the audit log: each step under the deadline for itself, since a log may be long.

use async_trait::async_trait;
use latchkey_core::ports::timing::Question;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::audit::{Anchor, AuditEvent, AuditFilter, AuditLog, Checked};

use super::Store;
use crate::query::{self, Page};

#[async_trait]
impl AuditLog for Store {
    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, Trouble> {
        let page = Page { before, limit };
        self.within(Question::List, async {
            query::audit::page(&self.pool.lease().await?, filter, page).await
        })
        .await
    }

    async fn head(&self) -> Result<Anchor, Trouble> {
        self.within(Question::Audit, async { query::audit::head(&self.pool.lease().await?).await }).await
    }

    async fn check(&self, after: Anchor, until: u64) -> Result<Checked, Trouble> {
        self.within(Question::Audit, async {
            query::audit::check(&self.pool.lease().await?, after, until).await
        })
        .await
    }
}
