//! Changes of many keys at a time: one transaction for each batch, with one audit event for each key.

use async_trait::async_trait;
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::KeyId;
use latchkey_core::record::{KeyLifecycle, KeyRecord};

use super::{AuditEntry, WriteResult};

/// Largest number of keys in a batch, which is one transaction.
pub const BATCH: usize = 500;

/// State that a call gives to many keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkChange {
    /// Revokes the keys that are not revoked, for a reason.
    Revoke {
        /// Human-readable reason.
        reason: String,
    },
    /// Disables the keys that are active.
    Disable,
}

impl BulkChange {
    /// Returns the key after the change; `None` if the key is in that state already, or is revoked.
    #[must_use]
    pub fn apply(&self, key: &KeyRecord, at: latchkey_core::time::Timestamp) -> Option<KeyRecord> {
        let changed = match self {
            Self::Revoke { reason } => {
                let lifecycle = key.lifecycle.revoke(at, reason.clone()).ok()?;
                // The value of a revoked key cannot be read, so it is not kept.
                KeyRecord { lifecycle, sealed: None, ..key.clone() }
            }
            Self::Disable if key.lifecycle == KeyLifecycle::Active => {
                KeyRecord { lifecycle: KeyLifecycle::Disabled, ..key.clone() }
            }
            Self::Disable => return None,
        };
        Some(changed)
    }
}

/// Numbers of keys of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangedKeys {
    /// Keys that were changed.
    pub changed: u64,
    /// Keys that were in that state already.
    pub unchanged: u64,
}

/// Check of a key inside the write's transaction: an error changes no key of the batch.
pub type KeyCheckFn<'a> = &'a (dyn Fn(&KeyRecord, &KeyRecord) -> Result<(), RequestError> + Send + Sync);

/// Store of changes of many keys. The database is the authority.
#[async_trait]
pub trait BulkStore: Send + Sync {
    /// Reads the keys with these identifiers that there are.
    async fn keys_by_id(&self, ids: &[KeyId]) -> Result<Vec<KeyRecord>, SystemError>;
    /// Changes at most [`BATCH`] keys: all or none. Keys that are missing are left out. The check gets each key before and
    /// after the change. `audit` is the event of each changed key, without tenant and target. The result has the revision of
    /// the last change or, if nothing was changed, one that is not older than the keys.
    async fn change_keys(
        &self,
        ids: &[KeyId],
        change: &BulkChange,
        check: KeyCheckFn<'_>,
        audit: AuditEntry,
    ) -> Result<WriteResult<ChangedKeys>, ManagementError>;
    /// Writes an audit event alone.
    async fn record_bulk(&self, audit: AuditEntry) -> Result<(), SystemError>;
}
