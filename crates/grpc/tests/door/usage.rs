//! The books' ledger of use, to which nobody adds: what is told comes from the gate itself.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{Batch, Hour, HourSpan, KeyUse, StoredHours};
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::shadow::{ShadowFilter, ShadowSum};
use latchkey_management::ports::usage::UsageLedger;

use crate::books::Books;

#[async_trait]
impl UsageLedger for Books {
    async fn add(&self, _: &str, _: &Batch, _: Timestamp) -> Result<(), Trouble> {
        Ok(())
    }

    async fn hours(&self, _: &str, _: KeyId, _: HourSpan) -> Result<StoredHours, Trouble> {
        Ok(StoredHours::default())
    }

    async fn uses(&self, _: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUse>, Trouble> {
        Ok(BTreeMap::new())
    }

    async fn shadows(&self, _: &ShadowFilter) -> Result<Vec<ShadowSum>, Trouble> {
        Ok(Vec::new())
    }

    async fn forget(&self, _: Hour, _: Timestamp) -> Result<u64, Trouble> {
        Ok(0)
    }
}
