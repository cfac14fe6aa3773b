//! Recovery of a database that lost commits: access that replicas know to be taken away is taken away again.

use async_trait::async_trait;
use latchkey_core::cache::TakenAway;
use latchkey_core::error::SystemError;

use super::{AuditEntry, WriteResult};

/// Writes of a recovery.
#[async_trait]
pub trait RecoveryStore: Send + Sync {
    /// Takes access away again, if it is not gone already; then the audit entry is written with it. Returns a revision at
    /// which the access is gone.
    async fn reapply(&self, taken: &TakenAway, audit: AuditEntry) -> Result<WriteResult<()>, SystemError>;
    /// Writes an audit entry alone.
    async fn record(&self, audit: AuditEntry) -> Result<(), SystemError>;
}
