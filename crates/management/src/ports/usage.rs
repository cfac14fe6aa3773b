//! Stored key usage, to which all replicas add.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::ports::usage::{
    CallCounts, Hour, HourRange, KeyUseTotals, Minute, StoredHours, UsageBatch,
};
use latchkey_core::time::Timestamp;

use super::shadow::{ShadowFilter, ShadowTotal};

/// Calls of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Key; `None` for all.
    pub key: Option<KeyId>,
    /// Tenant of the keys; `None` for all.
    pub tenant: Option<TenantId>,
    /// Profile of the tenants; `None` for all.
    pub profile: Option<String>,
    /// Environments of the keys; empty for any, and for keys that were deleted.
    pub environments: Vec<String>,
    /// Hours.
    pub span: HourRange,
    /// First of the minutes to read in place of hours; `None` to read hours.
    pub minutes: Option<Minute>,
}

/// Group of calls that a line of a report sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageGroup {
    /// Calls of an hour.
    Hour,
    /// Calls of a minute; for a filter by minutes.
    Minute,
    /// Calls of a key.
    Key,
    /// Calls of the keys of a tenant.
    Tenant,
    /// Calls of the keys of a profile's tenants.
    Profile,
}

/// Line of a report. The fields that its group does not have are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageLine {
    /// Hour.
    pub hour: Option<Hour>,
    /// Minute.
    pub minute: Option<Minute>,
    /// Key.
    pub key: Option<KeyId>,
    /// Name of the key; empty for one that was deleted.
    pub key_name: String,
    /// Tenant.
    pub tenant: Option<TenantId>,
    /// Slug of the tenant; empty for one that was deleted.
    pub tenant_slug: String,
    /// Profile of the tenant; empty for a tenant that was deleted.
    pub profile: String,
    /// Calls.
    pub counts: CallCounts,
}

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
    /// Reads the calls of many keys: by the hour or the minute, oldest first, or by another group, at most `limit`, the
    /// most calls first.
    async fn report(
        &self,
        which: &UsageFilter,
        group: UsageGroup,
        limit: u32,
    ) -> Result<Vec<UsageLine>, SystemError>;
    /// Reads calls that would have been denied, the most frequent first.
    async fn shadows(&self, which: &ShadowFilter) -> Result<Vec<ShadowTotal>, SystemError>;
    /// Deletes hours before `before`, and recorders that have been silent since `silent`, a batch at a time; returns
    /// the number of deleted rows.
    async fn prune(&self, before: Hour, silent: Timestamp) -> Result<u64, SystemError>;
    /// Deletes minutes before `before`, a batch at a time; returns the number of deleted rows.
    async fn prune_minutes(&self, before: Minute) -> Result<u64, SystemError>;
}
