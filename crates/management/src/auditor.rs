//! Listing of the audit log for operators and key managers, and its verification for operators: link by link, and
//! against anchors, which are stored where users with write access to the database cannot change them.

mod actions;
mod anchor_comparison;
mod listing;

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::{FieldViolation, ManagementError, SystemError};
use latchkey_core::operator::OperatorRole;
use latchkey_core::time::{Clock, Timestamp};

use self::anchor_comparison::AnchorComparison;
pub use self::listing::ListedEvent;
use super::{Caller, ManagementService};
use crate::ports::audit::{Anchor, AnchorStore, AuditLog};

/// Time by which content can be deleted before the retention ends by the clock of this process: clocks of replicas
/// differ, and an event can be pruned while the log is verified.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Events to list; the fields are those of `latchkey.v1.ListAuditEventsRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAuditEvents {
    /// Tenant by id or slug. Empty: the caller's own tenant; for operators, all tenants.
    pub tenant: String,
    /// Number of events on a page: 1 to 1,000, or 0 for 100.
    pub page_size: i32,
    /// Token from the previous page; empty for the first page.
    pub page_token: String,
    /// Earliest time, inclusive.
    pub from: Option<Timestamp>,
    /// Latest time, exclusive.
    pub until: Option<Timestamp>,
    /// Subject that performed the action; empty for any.
    pub actor: String,
    /// Action; empty for any.
    pub action: String,
    /// Beginning of the action; empty for any.
    pub action_prefix: String,
    /// Object of the action; empty for any.
    pub target: String,
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

/// Result of a verification of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Number of consecutive valid events, counted from the first.
    pub events: u64,
    /// Number of anchors that were compared.
    pub anchors: u64,
    /// Head of the log when the verification began.
    pub head: Anchor,
    /// First break that was found; `None` for an intact log.
    pub first_break: Option<AuditBreak>,
}

/// First place at which the log is not intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// An event is missing, out of sequence, or modified.
    #[error("event {at} is missing, out of sequence, or was modified")]
    Event {
        /// Sequence number of the event.
        at: u64,
    },
    /// The head does not match: events are missing at the end, or the head itself was modified.
    #[error("the log ends before event {at}, or its head was modified")]
    Head {
        /// Sequence number of the first missing event.
        at: u64,
    },
    /// The head is not one that this service can have written, so that the end of the log is unknown.
    #[error(
        "the head of the log was modified: its number of events is one that no log has, or its hash has not 32 bytes. \
         Writes are refused until the head has the sequence and the hash of the last event again"
    )]
    AlteredHead,
    /// Events that an anchor covers are missing at the end.
    #[error("the log was truncated before event {at}: an anchor covers event {anchored}")]
    Truncated {
        /// Sequence number of the first missing event.
        at: u64,
        /// Sequence number of the anchor.
        anchored: u64,
    },
    /// Rows are in the table that are not part of the log: it begins with event 1 and ends with the head.
    #[error(
        "{number} {} outside of the log, which has events 1 to {end}: the first is at {at}, and was not written by \
         this service",
        if *.number == 1 { "row is" } else { "rows are" }
    )]
    Outside {
        /// Sequence number of the first such row; it can be negative.
        at: i64,
        /// Number of such rows.
        number: u64,
        /// Sequence number of the head.
        end: u64,
    },
    /// An event of a token has lost its content within the retention. Such an event is reported if there is no other
    /// break, since pruning with a shorter retention, which applied earlier, leaves one too.
    #[error(
        "event {at} has no content any more, and is more recent than audit_token_retention: its content was deleted in \
         the database, or by this service while the setting had a smaller value or its clock was ahead"
    )]
    PrunedEarly {
        /// Sequence number of the event.
        at: u64,
    },
    /// The events are consistent with each other and do not match an anchor: the log was rewritten.
    #[error("event {at} does not match its anchor: events were rewritten after event {since}")]
    Rewritten {
        /// Sequence number of the anchor.
        at: u64,
        /// Sequence number of the last earlier anchor that matches; 0 if none does.
        since: u64,
    },
}

impl AuditBreak {
    /// Returns the sequence number of the first event that is known to be wrong; 0 for a negative one and for an altered
    /// head.
    #[must_use]
    pub fn at(self) -> u64 {
        match self {
            Self::Event { at }
            | Self::Head { at }
            | Self::Truncated { at, .. }
            | Self::PrunedEarly { at }
            | Self::Rewritten { at, .. } => at,
            Self::Outside { at, .. } => u64::try_from(at).unwrap_or_default(),
            Self::AlteredHead => 0,
        }
    }
}

/// Reads and checks the audit log.
pub struct Auditor {
    management: Arc<ManagementService>,
    log: Arc<dyn AuditLog>,
    anchors: Arc<dyn AnchorStore>,
    token_retention: Duration,
}

impl Auditor {
    /// Creates an auditor of a log and its anchors. Access to tenants follows the rules of `management`. Events of
    /// tokens must have their content for the time `token_retention`.
    #[must_use]
    pub fn new(
        management: Arc<ManagementService>,
        log: Arc<dyn AuditLog>,
        anchors: Arc<dyn AnchorStore>,
        token_retention: Duration,
    ) -> Self {
        Self { management, log, anchors, token_retention }
    }

    /// Verifies the log from its first event to the event that is the last when the call begins, against the stored
    /// anchors and the caller's own. The log is read in batches, so dropping the future cancels the verification.
    pub async fn verify(&self, caller: &Caller, own: Vec<Anchor>) -> Result<AuditReport, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        let retention =
            TokenRetention { clock: &*self.management.parts.clock, duration: self.token_retention };
        Ok(verify(&*self.log, &*self.anchors, &retention, own).await?)
    }
}

/// Retention of the content of the events of tokens.
struct TokenRetention<'a> {
    clock: &'a dyn Clock,
    duration: Duration,
}

impl TokenRetention<'_> {
    /// Returns the time from which on events must have their content.
    fn kept_since(&self) -> Timestamp {
        let duration = self.duration.saturating_sub(CLOCK_TOLERANCE);
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.clock.now().wall.0.saturating_sub(millis))
    }
}

async fn verify(
    log: &dyn AuditLog,
    anchors: &dyn AnchorStore,
    retention: &TokenRetention<'_>,
    own: Vec<Anchor>,
) -> Result<AuditReport, SystemError> {
    // The extent is read before the head, so that the head is not older than any anchor that is compared.
    let extent = anchors.extent().await?;
    let Some(head) = log.head().await? else {
        let first_break = Some(AuditBreak::AlteredHead);
        return Ok(AuditReport { events: 0, anchors: 0, head: Anchor::START, first_break });
    };
    let mut comparison = AnchorComparison::new(anchors, extent, own);
    let mut valid = Anchor::START;
    let mut first_break = None;
    let mut pruned_early = None;
    while first_break.is_none() && valid.sequence < head.sequence {
        let checked = log.check(valid, head.sequence, retention.kept_since()).await?;
        pruned_early = pruned_early.or(checked.pruned_early);
        first_break = comparison.compare(log, &checked.valid).await?;
        let last = checked.valid.last().copied();
        valid = last.unwrap_or(valid);
        let broken = checked.broken.or(last.is_none().then_some(valid.sequence + 1));
        first_break = first_break.or(broken.map(|at| AuditBreak::Event { at }));
    }
    if first_break.is_none() && valid != head {
        first_break = Some(AuditBreak::Head { at: valid.sequence + 1 });
    }
    if first_break.is_none()
        && let Some((at, number)) = log.outside().await?
    {
        first_break = Some(AuditBreak::Outside { at, number, end: head.sequence });
    }
    if first_break.is_none() {
        first_break = comparison.beyond(head.sequence).await?;
    }
    first_break = first_break.or(pruned_early.map(|at| AuditBreak::PrunedEarly { at }));
    Ok(AuditReport { events: valid.sequence, anchors: comparison.compared(), head, first_break })
}

#[cfg(test)]
mod tests;
