//! Usage store that keeps nothing. The usage that the tests see is counted by the gate.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{Hour, HourRange, KeyUseTotals, Minute, StoredHours, UsageBatch};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::shadow::{ShadowFilter, ShadowTotal};
use latchkey_management::ports::usage::UsageStore;

use crate::fake_store::FakeStore;

#[async_trait]
impl UsageStore for FakeStore {
    async fn add(&self, _: &str, _: &UsageBatch, _: Timestamp) -> Result<(), SystemError> {
        Ok(())
    }

    async fn hours(&self, _: &str, _: KeyId, _: HourRange) -> Result<StoredHours, SystemError> {
        Ok(StoredHours::default())
    }

    async fn uses(&self, _: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUseTotals>, SystemError> {
        Ok(BTreeMap::new())
    }

    async fn report(
        &self,
        _: &latchkey_management::ports::usage::UsageFilter,
        _: latchkey_management::ports::usage::UsageGroup,
        _: u32,
    ) -> Result<Vec<latchkey_management::ports::usage::UsageLine>, SystemError> {
        Ok(Vec::new())
    }

    async fn shadows(&self, _: &ShadowFilter) -> Result<Vec<ShadowTotal>, SystemError> {
        Ok(Vec::new())
    }

    async fn prune(&self, _: Hour, _: Timestamp) -> Result<u64, SystemError> {
        Ok(0)
    }

    async fn prune_minutes(&self, _: Minute) -> Result<u64, SystemError> {
        Ok(0)
    }
}
