//! Recovery of a database that lost commits: what replicas know to be taken away is taken away again.

use async_trait::async_trait;
use latchkey_core::cache::TakenAway;
use latchkey_core::error::SystemError;

use super::AuditEntry;

/// Writes of a recovery.
#[async_trait]
pub trait RecoveryStore: Send + Sync {
    /// Takes access away again, if it is not gone already. Returns whether something had to be written; then the audit
    /// entry was written with it.
    async fn reapply(&self, taken: &TakenAway, audit: AuditEntry) -> Result<bool, SystemError>;
    /// Writes an audit entry alone.
    async fn record(&self, audit: AuditEntry) -> Result<(), SystemError>;
}
