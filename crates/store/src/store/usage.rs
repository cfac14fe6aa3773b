//! The store as the ledger of use, each call under the deadline.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::id::KeyId;
use latchkey_core::ports::timing::Question;
use latchkey_core::ports::usage::{Batch, Hour, HourSpan, KeyUse, StoredHours};
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::shadow::{ShadowFilter, ShadowSum};
use latchkey_management::ports::usage::UsageLedger;

use super::Store;
use crate::{query, write};

#[async_trait]
impl UsageLedger for Store {
    async fn add(&self, recorder: &str, batch: &Batch, at: Timestamp) -> Result<(), Trouble> {
        self.within(
            Question::AddUsage,
            Box::pin(async { write::usage::add(self.pool.begin().await?, recorder, batch, at).await }),
        )
        .await
    }

    async fn hours(&self, recorder: &str, key: KeyId, span: HourSpan) -> Result<StoredHours, Trouble> {
        self.within(Question::ReadUsage, async {
            query::usage::hours(&self.pool.lease().await?, recorder, key, span).await
        })
        .await
    }

    async fn uses(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUse>, Trouble> {
        self.within(Question::ReadUsage, async { query::usage::uses(&self.pool.lease().await?, keys).await })
            .await
    }

    async fn shadows(&self, which: &ShadowFilter) -> Result<Vec<ShadowSum>, Trouble> {
        self.within(Question::ReadUsage, async {
            query::shadow::sums(&self.pool.lease().await?, which).await
        })
        .await
    }

    async fn forget(&self, before: Hour, silent: Timestamp) -> Result<u64, Trouble> {
        self.within(Question::Prune, async {
            write::usage::forget(self.pool.begin().await?, before, silent).await
        })
        .await
    }
}
