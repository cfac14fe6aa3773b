//! Recovery of a database that lost commits: access that replicas know to be taken away is taken away again.

use async_trait::async_trait;
use latchkey_core::cache::TakenAway;
use latchkey_core::error::SystemError;
use latchkey_core::ports::Change;

use super::{AuditEntry, WriteResult};

/// Objects from which access is taken away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReapplyTo {
    /// All: after a loss of commits, the revisions of objects say nothing.
    All,
    /// Objects without a change since. A revocation is applied to all objects, since no later change takes it back.
    Outdated,
}

/// Reads and writes of a recovery.
#[async_trait]
pub trait RecoveryStore: Send + Sync {
    /// Takes access away again, if it is not gone already; then the audit entry is written with it. Returns a revision at
    /// which the access is gone.
    async fn reapply(
        &self,
        taken: &TakenAway,
        objects: ReapplyTo,
        audit: AuditEntry,
    ) -> Result<WriteResult<()>, SystemError>;
    /// Returns the changes in the feed after a revision that objects lack which the database has, in the order of their
    /// revisions, at most `limit`. If no object lacks a change that took access away, there are none after revision 0.
    /// Objects lack changes only if their table was altered, or restored without the others.
    async fn outdated(&self, after: u64, limit: u32) -> Result<Vec<Change>, SystemError>;
    /// Writes an audit entry alone.
    async fn record(&self, audit: AuditEntry) -> Result<(), SystemError>;
}
