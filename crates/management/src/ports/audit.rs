//! What reading and checking the audit log needs from outside: the log itself, and anchors: what the log was at
//! earlier moments, kept where whoever holds the database can't follow.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::TenantId;
use latchkey_core::time::Timestamp;

/// A line of the audit log as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its place, from 1 on, without a gap.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// Whose things, where they are a tenant's.
    pub tenant: Option<TenantId>,
    /// The subject that acted.
    pub actor: String,
    /// What it did.
    pub action: String,
    /// What it did it to.
    pub target: String,
    /// The request's identifier.
    pub request_id: String,
    /// More.
    pub details: BTreeMap<String, String>,
    /// The hash of this line and of all before it.
    pub hash: Vec<u8>,
}

/// Which lines of the audit log are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// One tenant's alone.
    pub tenant: Option<TenantId>,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// A place of the audit log and the hash that it had there, which stands for everything up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// The line's sequence; 0: before the first.
    pub sequence: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl Anchor {
    /// Before the first line.
    pub const START: Self = Self { sequence: 0, hash: [0; 32] };
}

/// A part of the log that was checked, link by link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// The lines that fit, in order.
    pub valid: Vec<Anchor>,
    /// The first place whose line doesn't fit, or isn't there.
    pub broken: Option<u64>,
}

/// The audit log, for those who read it.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Lines before `before`, newest first, at most `limit`.
    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, SystemError>;
    /// How far the log has come, as it says itself.
    async fn head(&self) -> Result<Anchor, SystemError>;
    /// Checks lines after one that is good, up to a place, some at a time. Nothing good and nothing broken:
    /// the place was reached before.
    async fn check(&self, after: Anchor, until: u64) -> Result<AuditCheck, SystemError>;
}

/// Anchors, oldest first as a rule.
#[async_trait]
pub trait AnchorStore: Send + Sync {
    /// How many bytes there are now.
    async fn extent(&self) -> Result<u64, SystemError>;
    /// Some that stand between two places, and the place to go on from; at the end, the end itself.
    async fn read(&self, from: u64, until: u64) -> Result<(Vec<Anchor>, u64), SystemError>;
}

/// There are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnchors;

#[async_trait]
impl AnchorStore for NoAnchors {
    async fn extent(&self) -> Result<u64, SystemError> {
        Ok(0)
    }

    async fn read(&self, _: u64, until: u64) -> Result<(Vec<Anchor>, u64), SystemError> {
        Ok((Vec::new(), until))
    }
}
