//! Anchors, taken up one after the other beside the lines that they tell of. They are kept in order as a rule, and
//! read in parts, so that a long history of them needs no more memory than a short one.

use std::collections::VecDeque;

use latchkey_core::error::SystemError;

use super::AuditBreak;
use crate::ports::audit::{Anchor, AnchorStore, AuditFilter, AuditLog};

/// The anchors that a log is compared with.
pub(super) struct AnchorComparison<'a> {
    kept: &'a dyn AnchorStore,
    /// The part of what is kept that wasn't read yet.
    place: u64,
    extent: u64,
    waiting: VecDeque<Anchor>,
    /// Those that the caller brought, in order.
    own: VecDeque<Anchor>,
    compared: u64,
    fits: u64,
}

impl<'a> AnchorComparison<'a> {
    pub(super) fn new((kept, extent): (&'a dyn AnchorStore, u64), mut own: Vec<Anchor>) -> Self {
        own.sort_unstable();
        let waiting = VecDeque::new();
        Self { kept, place: 0, extent, waiting, own: own.into(), compared: 0, fits: 0 }
    }

    /// How many were compared.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    /// Compares every anchor up to the last of these lines, which follow each other and are good.
    pub(super) async fn compare(
        &mut self,
        log: &dyn AuditLog,
        lines: &[Anchor],
    ) -> Result<Option<AuditBreak>, SystemError> {
        let Some((first, last)) = lines.first().zip(lines.last()) else { return Ok(None) };
        while let Some(anchor) = self.next(last.sequence).await? {
            self.compared += 1;
            let behind = anchor.sequence.checked_sub(first.sequence).and_then(|n| usize::try_from(n).ok());
            let line = match behind {
                Some(n) => lines.get(n).map(|line| line.hash.to_vec()),
                // Two that write to one place can be out of step: the line was passed already.
                None => earlier(log, anchor.sequence).await?,
            };
            if line.as_deref() != Some(anchor.hash.as_slice()) {
                return Ok(Some(AuditBreak::Rewritten { at: anchor.sequence, since: self.fits }));
            }
            self.fits = self.fits.max(anchor.sequence);
        }
        Ok(None)
    }

    /// Whether an anchor tells of something behind the log's end.
    pub(super) async fn beyond(&mut self, end: u64) -> Result<Option<AuditBreak>, SystemError> {
        let Some(anchor) = self.next(u64::MAX).await? else { return Ok(None) };
        self.compared += 1;
        Ok(Some(AuditBreak::Truncated { at: end + 1, anchored: anchor.sequence }))
    }

    /// The next anchor that is no later than a place.
    async fn next(&mut self, until: u64) -> Result<Option<Anchor>, SystemError> {
        while self.waiting.is_empty() && self.place < self.extent {
            let (anchors, place) = self.kept.read(self.place, self.extent).await?;
            self.place = place.max(self.place + 1);
            self.waiting.extend(anchors);
        }
        for queue in [&mut self.own, &mut self.waiting] {
            if queue.front().is_some_and(|anchor| anchor.sequence <= until) {
                return Ok(queue.pop_front());
            }
        }
        Ok(None)
    }
}

async fn earlier(log: &dyn AuditLog, sequence: u64) -> Result<Option<Vec<u8>>, SystemError> {
    if sequence == 0 {
        return Ok(Some(Anchor::START.hash.to_vec()));
    }
    let found = log.events(&AuditFilter::default(), Some(sequence + 1), 1).await?;
    Ok(found.into_iter().find(|event| event.sequence == sequence).map(|event| event.hash))
}
