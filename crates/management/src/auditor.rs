//! The audit log as operators and key managers read it, and as operators check it: link by link, and against
//! anchors that were kept where whoever holds the database can't follow.

mod anchored;

use std::sync::Arc;

use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Trouble};
use uuid::Uuid;

use self::anchored::Anchored;
use super::encoding::Encoder;
use super::fields::Fields;
use super::page::{self, Page};
use super::{Caller, Registrar};
use crate::ports::audit::{Anchor, Anchors, AuditEvent, AuditFilter, AuditLog};

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
pub struct AuditState {
    /// How many lines fit, from the first on.
    pub events: u64,
    /// How many anchors they were compared with.
    pub anchors: u64,
    /// Where the log ended when this began.
    pub head: Anchor,
    /// What doesn't fit.
    pub flaw: Option<Flaw>,
}

/// The first thing that doesn't fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A line.
    #[error("event {at} is missing, out of its place, or not what was written")]
    Line {
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
    CutOff {
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

impl Flaw {
    /// The first place that is known not to fit.
    #[must_use]
    pub fn at(self) -> u64 {
        match self {
            Self::Line { at } | Self::Head { at } | Self::CutOff { at, .. } | Self::Rewritten { at, .. } => {
                at
            }
        }
    }
}

/// Reads and checks the audit log.
pub struct Auditor {
    registrar: Arc<Registrar>,
    log: Arc<dyn AuditLog>,
    anchors: Arc<dyn Anchors>,
}

impl Auditor {
    /// An auditor of this log and these anchors, with a registrar's rules on tenants.
    #[must_use]
    pub fn new(registrar: Arc<Registrar>, log: Arc<dyn AuditLog>, anchors: Arc<dyn Anchors>) -> Self {
        Self { registrar, log, anchors }
    }

    /// Lists events, newest first: of one tenant, or, for operators, of all.
    pub async fn list(&self, by: &Caller, ask: ListAuditEvents) -> Result<Page<AuditEvent>, Failure> {
        let everything = by.principal().is_none() && ask.tenant.is_empty();
        let tenant =
            if everything { None } else { Some(self.registrar.managed_tenant(by, &ask.tenant).await?.id) };
        let filter = AuditFilter { tenant, from: ask.from, until: ask.until };
        let list = list_of_events(&filter);
        let mut fields = Fields::within("");
        let size = fields.judge(page::size(ask.page_size));
        let before = fields.judge(page::cursor(&ask.page_token, &list));
        if ask.from.zip(ask.until).is_some_and(|(from, until)| until <= from) {
            fields.wrong("end_time", "must be later than start_time");
        }
        fields.finish()?;
        let (size, before) = (size.unwrap_or_default(), before.flatten().map(|id| id.as_u64_pair().1));
        let events = self.log.events(&filter, before, size + 1).await?;
        Ok(page::page(events, size, &list, |event| Uuid::from_u64_pair(0, event.sequence)))
    }

    /// Checks the log from its first line to the one that is the last when this begins, and against the
    /// caller's anchors besides those that are kept here. In parts: dropping this future ends it.
    pub async fn verify(&self, by: &Caller, own: Vec<Anchor>) -> Result<AuditState, Failure> {
        by.operator()?;
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

async fn verify(log: &dyn AuditLog, anchors: &dyn Anchors, own: Vec<Anchor>) -> Result<AuditState, Trouble> {
    // First: the head is then no older than any anchor that is looked at.
    let extent = anchors.extent().await?;
    let head = log.head().await?;
    let mut anchored = Anchored::new((anchors, extent), own);
    let mut good = Anchor::START;
    let mut flaw = None;
    while flaw.is_none() && good.sequence < head.sequence {
        let checked = log.check(good, head.sequence).await?;
        flaw = anchored.compare(log, &checked.good).await?;
        let last = checked.good.last().copied();
        good = last.unwrap_or(good);
        let broken = checked.broken.or(last.is_none().then_some(good.sequence + 1));
        flaw = flaw.or(broken.map(|at| Flaw::Line { at }));
    }
    if flaw.is_none() && good != head {
        flaw = Some(Flaw::Head { at: good.sequence + 1 });
    }
    if flaw.is_none() {
        flaw = anchored.beyond(head.sequence).await?;
    }
    Ok(AuditState { events: good.sequence, anchors: anchored.compared(), head, flaw })
}

#[cfg(test)]
mod tests;
