//! Stored use of keys, which many replicas add to.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{Hour, HourRange, KeyUseTotals, StoredHours, UsageBatch};
use latchkey_core::time::Timestamp;

use super::shadow::{ShadowFilter, ShadowTotal};

/// Where use is kept. It decides nothing, so that no revision is taken for it.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds a recorder's batch, once: one that was added already is left alone, so that a recorder may try
    /// again where it heard no answer.
    async fn add(&self, recorder: &str, batch: &UsageBatch, at: Timestamp) -> Result<(), SystemError>;
    /// A key's calls by hour, and how far a recorder's batches are in them.
    async fn hours(&self, recorder: &str, key: KeyId, span: HourRange) -> Result<StoredHours, SystemError>;
    /// Last use and needed scopes of these keys; keys that were never used are left out.
    async fn uses(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUseTotals>, SystemError>;
    /// Calls that would have been denied, the most frequent first.
    async fn shadows(&self, which: &ShadowFilter) -> Result<Vec<ShadowTotal>, SystemError>;
    /// Drops hours before one, and recorders that were silent since a time; some at a time. Answers how many.
    async fn prune(&self, before: Hour, silent: Timestamp) -> Result<u64, SystemError>;
}
