//! The store's port for usage. Each call has a deadline.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::ports::usage::{Hour, HourRange, KeyUseTotals, Minute, StoredHours, UsageBatch};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::shadow::{ShadowFilter, ShadowTotal};
use latchkey_management::ports::usage::{UsageFilter, UsageGroup, UsageLine, UsageStore};

use super::Store;
use crate::{query, write};

#[async_trait]
impl UsageStore for Store {
    async fn add(&self, recorder: &str, batch: &UsageBatch, at: Timestamp) -> Result<(), SystemError> {
        self.with_deadline(
            QueryKind::AddUsage,
            Box::pin(async { write::usage::add(self.pool.begin().await?, recorder, batch, at).await }),
        )
        .await
    }

    async fn hours(&self, recorder: &str, key: KeyId, span: HourRange) -> Result<StoredHours, SystemError> {
        self.with_deadline(QueryKind::ReadUsage, async {
            query::usage::hours(&self.pool.acquire().await?, recorder, key, span).await
        })
        .await
    }

    async fn uses(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUseTotals>, SystemError> {
        self.with_deadline(QueryKind::ReadUsage, async {
            query::usage::uses(&self.pool.acquire().await?, keys).await
        })
        .await
    }

    async fn report(
        &self,
        which: &UsageFilter,
        group: UsageGroup,
        limit: u32,
    ) -> Result<Vec<UsageLine>, SystemError> {
        self.with_deadline(QueryKind::List, async {
            query::usage_report::lines(&self.pool.acquire().await?, which, group, limit).await
        })
        .await
    }

    async fn shadows(&self, which: &ShadowFilter) -> Result<Vec<ShadowTotal>, SystemError> {
        self.with_deadline(QueryKind::ReadUsage, async {
            query::shadow::sums(&self.pool.acquire().await?, which).await
        })
        .await
    }

    async fn prune(&self, before: Hour, silent: Timestamp) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::Prune, async {
            write::usage::prune(self.pool.begin().await?, before, silent).await
        })
        .await
    }

    async fn prune_minutes(&self, before: Minute) -> Result<u64, SystemError> {
        self.with_deadline(QueryKind::Prune, async {
            write::usage_minute::prune(&self.pool.acquire().await?, before).await
        })
        .await
    }
}
