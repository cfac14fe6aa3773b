//! The store's audit log port. Each step has a deadline of its own, since a log may be long.

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::audit::{
    Anchor, AuditCheck, AuditEvent, AuditFilter, AuditLog, AuditPage, EventSubjects,
};

use super::Store;
use crate::query::{self, Page};
use crate::write;
use crate::write::token_event::PrunedEvents;

impl Store {
    /// Returns the newest audit event of an action since a time. Reads the whole log of that time: for diagnosis alone.
    pub async fn newest_event(
        &self,
        action: &str,
        since: Timestamp,
    ) -> Result<Option<AuditEvent>, SystemError> {
        self.with_deadline(QueryKind::Audit, async {
            query::audit::newest(&self.pool.acquire().await?, action, since).await
        })
        .await
    }
}

impl Store {
    /// Deletes the content of a batch of audit events of tokens that are older than a time, after a sequence number.
    pub async fn prune_token_events(
        &self,
        after: u64,
        before: Timestamp,
    ) -> Result<PrunedEvents, SystemError> {
        self.with_deadline(QueryKind::Prune, async {
            write::token_event::prune(self.pool.begin().await?, after, before).await
        })
        .await
    }
}

#[async_trait]
impl AuditLog for Store {
    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, SystemError> {
        let page = Page { before, limit };
        self.with_deadline(QueryKind::List, async {
            query::audit::page(&self.pool.acquire().await?, filter, page).await
        })
        .await
    }

    async fn head(&self) -> Result<Option<Anchor>, SystemError> {
        self.with_deadline(QueryKind::Audit, async { query::audit::last(&self.pool.acquire().await?).await })
            .await
    }

    async fn outside(&self) -> Result<Option<(i64, u64)>, SystemError> {
        self.with_deadline(QueryKind::Audit, async {
            query::audit::outside(&self.pool.acquire().await?).await
        })
        .await
    }

    async fn subjects(&self, keys: &[KeyId], users: &[UserId]) -> Result<EventSubjects, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::audit::subjects(&self.pool.acquire().await?, keys, users).await
        })
        .await
    }

    async fn check(
        &self,
        after: Anchor,
        until: u64,
        kept_since: Timestamp,
    ) -> Result<AuditCheck, SystemError> {
        self.with_deadline(QueryKind::Audit, async {
            query::audit::check(&self.pool.acquire().await?, after, until, kept_since).await
        })
        .await
    }
}
