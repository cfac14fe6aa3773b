//! Comparison of anchors with the events that they cover, in step with the verification of the log. Stored anchors
//! are ascending as a rule and are read in batches, so that memory use does not depend on their number.

use std::collections::VecDeque;

use latchkey_core::error::SystemError;

use super::AuditBreak;
use crate::ports::audit::{Anchor, AnchorStore, AuditFilter, AuditLog};

/// Anchors that a log is compared with.
pub(super) struct AnchorComparison<'a> {
    store: &'a dyn AnchorStore,
    /// Position in the store from which the next batch is read.
    position: u64,
    extent: u64,
    waiting: VecDeque<Anchor>,
    /// Anchors that the caller supplied, ascending.
    own: VecDeque<Anchor>,
    compared: u64,
    last_match: u64,
}

impl<'a> AnchorComparison<'a> {
    pub(super) fn new(store: &'a dyn AnchorStore, extent: u64, mut own: Vec<Anchor>) -> Self {
        own.sort_unstable();
        let waiting = VecDeque::new();
        Self { store, position: 0, extent, waiting, own: own.into(), compared: 0, last_match: 0 }
    }

    /// Returns the number of anchors that were compared.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    /// Compares every anchor up to the last of `lines`, which are consecutive and valid.
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
                // Two processes that write to one anchor file can be out of step: this event was passed already.
                None => earlier(log, anchor.sequence).await?,
            };
            if line.as_deref() != Some(anchor.hash.as_slice()) {
                return Ok(Some(AuditBreak::Rewritten { at: anchor.sequence, since: self.last_match }));
            }
            self.last_match = self.last_match.max(anchor.sequence);
        }
        Ok(None)
    }

    /// Returns a break if an anchor covers an event after the end of the log.
    pub(super) async fn beyond(&mut self, end: u64) -> Result<Option<AuditBreak>, SystemError> {
        let Some(anchor) = self.next(u64::MAX).await? else { return Ok(None) };
        self.compared += 1;
        Ok(Some(AuditBreak::Truncated { at: end + 1, anchored: anchor.sequence }))
    }

    /// Returns the next anchor with a sequence number of at most `until`.
    async fn next(&mut self, until: u64) -> Result<Option<Anchor>, SystemError> {
        while self.waiting.is_empty() && self.position < self.extent {
            let (anchors, position) = self.store.read(self.position, self.extent).await?;
            self.position = position.max(self.position + 1);
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
    let found =
        log.events(&AuditFilter { pruned: true, ..AuditFilter::default() }, Some(sequence + 1), 1).await?;
    Ok(found.events.into_iter().find(|event| event.sequence == sequence).map(|event| event.hash))
}
