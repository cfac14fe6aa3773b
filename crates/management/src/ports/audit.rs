//! Interfaces for reading and verifying the audit log: the log itself, and anchors. An anchor records the head of the
//! log at an earlier time and is stored where users with write access to the database cannot change it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;

/// Event of the audit log as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Sequence number, from 1 on, without gaps.
    pub sequence: u64,
    /// Time of the action.
    pub time: Timestamp,
    /// Tenant that the event belongs to; `None` for actions outside of tenants.
    pub tenant: Option<TenantId>,
    /// Subject that performed the action.
    pub actor: String,
    /// Action, such as `key.revoke`.
    pub action: String,
    /// Object of the action.
    pub target: String,
    /// Identifier of the request.
    pub request_id: String,
    /// Further details.
    pub details: BTreeMap<String, String>,
    /// Hash of this event and all events before it.
    pub hash: Vec<u8>,
}

/// Keys and users that events name.
#[derive(Clone, Debug, Default)]
pub struct EventSubjects {
    /// Keys.
    pub keys: Vec<KeyRecord>,
    /// Users.
    pub users: Vec<UserRecord>,
}

/// Filter of a list of events. `None` matches every event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Tenant of the events.
    pub tenant: Option<TenantId>,
    /// Subject that performed the action.
    pub actor: Option<String>,
    /// Action.
    pub action: Option<ActionFilter>,
    /// Object of the action.
    pub target: Option<String>,
    /// Earliest time, inclusive.
    pub from: Option<Timestamp>,
    /// Latest time, exclusive.
    pub until: Option<Timestamp>,
    /// True for all events; false for those that still have their content.
    pub pruned: bool,
}

/// Filter by action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionFilter {
    /// A single action.
    Is(String),
    /// Actions that begin with a text (`key.`).
    StartsWith(String),
}

/// Events of a list, newest first. The log reads a limited number of rows for a page, so a page can have fewer events
/// than its limit, even none, and still have a next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Events.
    pub events: Vec<AuditEvent>,
    /// Sequence number before which the list continues; `None` at its end.
    pub next: Option<u64>,
}

/// Sequence number of an event and the hash at that event, which covers all events up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// Sequence number of the event; 0 for the position before the first event.
    pub sequence: u64,
    /// Hash at the event.
    pub hash: [u8; 32],
}

impl Anchor {
    /// Position before the first event.
    pub const START: Self = Self { sequence: 0, hash: [0; 32] };
}

/// Result of checking a part of the log, link by link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Valid events, ascending.
    pub valid: Vec<Anchor>,
    /// Sequence number of the first event that is invalid or missing.
    pub broken: Option<u64>,
    /// Sequence number of the first valid event whose content was deleted although the event is too recent for it.
    pub pruned_early: Option<u64>,
}

/// Read access to the audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Reads events before `before`, newest first, at most `limit`. Rows outside of the log (before event 1 or after
    /// the head) are left out.
    async fn events(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<AuditPage, SystemError>;
    /// Reads the keys and users with these identifiers that there are.
    async fn subjects(&self, keys: &[KeyId], users: &[UserId]) -> Result<EventSubjects, SystemError>;
    /// Returns the sequence number of the first row outside of the log (before event 1 or after the head) and the
    /// number of such rows; `None` if there are none.
    async fn outside(&self) -> Result<Option<(i64, u64)>, SystemError>;
    /// Reads the head, as the log itself records it; `None` if this service cannot have written it.
    async fn head(&self) -> Result<Option<Anchor>, SystemError>;
    /// Checks a batch of events after a valid one, up to a sequence number. An empty result without a broken event
    /// means that the log ends before `until`. Events from `kept_since` on must still have their content.
    async fn check(
        &self,
        after: Anchor,
        until: u64,
        kept_since: Timestamp,
    ) -> Result<AuditCheck, SystemError>;
}

/// Stored anchors, ascending as a rule.
#[async_trait]
pub trait AnchorStore: Send + Sync {
    /// Returns the present length of the store, in bytes.
    async fn extent(&self) -> Result<u64, SystemError>;
    /// Reads a batch of anchors between two positions. Returns them and the position to continue from, which is
    /// `until` at the end.
    async fn read(&self, from: u64, until: u64) -> Result<(Vec<Anchor>, u64), SystemError>;
}

/// Store without anchors.
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
