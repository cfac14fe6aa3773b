//! What was sent of telemetry, and what wasn't.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::catalogue;
use super::metric::Sheet;

const SIGNALS: [&str; 2] = ["traces", "metrics"];

/// Counts it.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    spans_sent: AtomicU64,
    spans_dropped: AtomicU64,
    /// By signal: those that were taken, and those that weren't.
    exports: [[AtomicU64; 2]; 2],
}

impl Exported {
    /// Writes it down.
    pub(crate) fn tell(&self, sheet: &mut Sheet) {
        sheet.count(&catalogue::SPANS_SENT, &[], self.spans_sent.load(Relaxed));
        sheet.count(&catalogue::SPANS_DROPPED, &[], self.spans_dropped.load(Relaxed));
        for (name, exports) in SIGNALS.iter().zip(&self.exports) {
            for (outcome, count) in ["ok", "failed"].iter().zip(exports) {
                sheet.count(&catalogue::EXPORTS, &[name, outcome], count.load(Relaxed));
            }
        }
    }
}
