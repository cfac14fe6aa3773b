//! Stored key usage, to which all replicas add.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::ports::usage::{Hour, HourRange, KeyUseTotals, StoredHours, UsageBatch};
use latchkey_core::time::Timestamp;

use super::shadow::{ShadowFilter, ShadowTotal};

/// Store of key usage. Decisions do not depend on it, so its writes take no revision.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds a recorder's batch, once: a batch that was added already is skipped, so that a recorder can retry after a
    /// lost response.
    async fn add(&self, recorder: &str, batch: &UsageBatch, at: Timestamp) -> Result<(), SystemError>;
    /// Reads a key's calls by hour, and the number of the recorder's last batch that they include.
    async fn hours(&self, recorder: &str, key: KeyId, span: HourRange) -> Result<StoredHours, SystemError>;
    /// Reads last use and needed scopes of these keys; keys that were never used are left out.
    async fn uses(&self, keys: &[KeyId]) -> Result<BTreeMap<KeyId, KeyUseTotals>, SystemError>;
    /// Reads calls that would have been denied, the most frequent first.
    async fn shadows(&self, which: &ShadowFilter) -> Result<Vec<ShadowTotal>, SystemError>;
    /// Deletes hours before `before`, and recorders that have been silent since `silent`, a batch at a time; returns
    /// the number of deleted rows.
    async fn prune(&self, before: Hour, silent: Timestamp) -> Result<u64, SystemError>;
}
