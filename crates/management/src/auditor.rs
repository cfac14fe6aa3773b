//! The audit log as operators and key managers read it, and as operators check it: link by link, and against
//! anchors that were kept where whoever holds the database can't follow.

mod anchor_comparison;

use std::sync::Arc;

use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::time::Timestamp;
use uuid::Uuid;

use self::anchor_comparison::AnchorComparison;
use super::encoding::Encoder;
use super::field_validator::FieldValidator;
use super::page::{self, Page};
use super::{Caller, ManagementService};
use crate::ports::audit::{Anchor, AnchorStore, AuditEvent, AuditFilter, AuditLog};

/// Which events to list; the fields are those of `latchkey.v1.ListAuditEventsRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAuditEvents {
    /// By id or slug; empty: the caller's own, and every tenant for operators.
    pub tenant: String,
    /// 0 for 100, at most 1,000.
    pub page_size: i32,
    /// From the page before.
    pub page_token: String,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// What checking the log came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// How many lines fit, from the first on.
    pub events: u64,
    /// How many anchors they were compared with.
    pub anchors: u64,
    /// Where the log ended when this began.
    pub head: Anchor,
    /// What doesn't fit.
    pub first_break: Option<AuditBreak>,
}

/// The first thing that doesn't fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// A line.
    #[error("event {at} is missing, out of its place, or not what was written")]
    Event {
        /// Its place.
        at: u64,
    },
    /// The head: lines are missing at the end, or it was changed itself.
    #[error("the log ends before event {at}, or its head was changed")]
    Head {
        /// The first place that is missing.
        at: u64,
    },
    /// Lines that an anchor tells of are gone.
    #[error("the log was cut off before event {at}: an anchor tells of event {anchored}")]
    Truncated {
        /// The first place that is missing.
        at: u64,
        /// The anchor's place.
        anchored: u64,
    },
    /// The lines fit each other, and not an anchor: they were written anew.
    #[error("event {at} is not the one that was anchored: events were rewritten after event {since}")]
    Rewritten {
        /// The anchor's place.
        at: u64,
        /// The last anchor before it that fits; 0: none does.
        since: u64,
    },
}

impl AuditBreak {
    /// The first place that is known not to fit.
    #[must_use]
    pub fn at(self) -> u64 {
        match self {
            Self::Event { at }
            | Self::Head { at }
            | Self::Truncated { at, .. }
            | Self::Rewritten { at, .. } => at,
        }
    }
}

/// Reads and checks the audit log.
pub struct Auditor {
    management: Arc<ManagementService>,
    log: Arc<dyn AuditLog>,
    anchors: Arc<dyn AnchorStore>,
}

impl Auditor {
    /// An auditor of this log and these anchors, with a registrar's rules on tenants.
    #[must_use]
    pub fn new(
        management: Arc<ManagementService>,
        log: Arc<dyn AuditLog>,
        anchors: Arc<dyn AnchorStore>,
    ) -> Self {
        Self { management, log, anchors }
    }

    /// Lists events, newest first: of one tenant, or, for operators, of all.
    pub async fn list(
        &self,
        caller: &Caller,
        request: ListAuditEvents,
    ) -> Result<Page<AuditEvent>, ManagementError> {
        let everything = caller.principal().is_none() && request.tenant.is_empty();
        let tenant = if everything {
            None
        } else {
            Some(self.management.managed_tenant(caller, &request.tenant).await?.id)
        };
        let filter = AuditFilter { tenant, from: request.from, until: request.until };
        let list = list_of_events(&filter);
        let mut fields = FieldValidator::new("");
        let size = fields.collect(page::size(request.page_size));
        let before = fields.collect(page::cursor(&request.page_token, &list));
        if request.from.zip(request.until).is_some_and(|(from, until)| until <= from) {
            fields.reject("end_time", "must be later than start_time");
        }
        fields.finish()?;
        let (size, before) = (size.unwrap_or_default(), before.flatten().map(|id| id.as_u64_pair().1));
        let events = self.log.events(&filter, before, size + 1).await?;
        Ok(page::page(events, size, &list, |event| Uuid::from_u64_pair(0, event.sequence)))
    }

    /// Checks the log from its first line to the one that is the last when this begins, and against the
    /// caller's anchors besides those that are kept here. In parts: dropping this future ends it.
    pub async fn verify(&self, caller: &Caller, own: Vec<Anchor>) -> Result<AuditReport, ManagementError> {
        caller.require_operator()?;
        Ok(verify(&*self.log, &*self.anchors, own).await?)
    }
}

/// The list that a page token of audit events belongs to.
fn list_of_events(filter: &AuditFilter) -> Encoder {
    let time = |encoder: Encoder, time: Timestamp| encoder.signed(time.0);
    Encoder::new("latchkey.list_audit_events.v1")
        .optional(filter.tenant, |encoder, tenant| encoder.bytes(tenant.0.as_bytes()))
        .optional(filter.from, time)
        .optional(filter.until, time)
}

async fn verify(
    log: &dyn AuditLog,
    anchors: &dyn AnchorStore,
    own: Vec<Anchor>,
) -> Result<AuditReport, SystemError> {
    // First: the head is then no older than any anchor that is looked at.
    let extent = anchors.extent().await?;
    let head = log.head().await?;
    let mut comparison = AnchorComparison::new((anchors, extent), own);
    let mut valid = Anchor::START;
    let mut first_break = None;
    while first_break.is_none() && valid.sequence < head.sequence {
        let checked = log.check(valid, head.sequence).await?;
        first_break = comparison.compare(log, &checked.valid).await?;
        let last = checked.valid.last().copied();
        valid = last.unwrap_or(valid);
        let broken = checked.broken.or(last.is_none().then_some(valid.sequence + 1));
        first_break = first_break.or(broken.map(|at| AuditBreak::Event { at }));
    }
    if first_break.is_none() && valid != head {
        first_break = Some(AuditBreak::Head { at: valid.sequence + 1 });
    }
    if first_break.is_none() {
        first_break = comparison.beyond(head.sequence).await?;
    }
    Ok(AuditReport { events: valid.sequence, anchors: comparison.compared(), head, first_break })
}

#[cfg(test)]
mod tests;
