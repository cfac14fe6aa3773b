//! What was sent of telemetry, and what wasn't.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::definitions;
use super::metric::MetricSnapshot;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

const SIGNALS: [(Signal, &str); 2] = [(Signal::Traces, "traces"), (Signal::Metrics, "metrics")];

/// Counts it.
#[derive(Debug, Default)]
pub struct ExportStats {
    spans_sent: AtomicU64,
    spans_dropped: AtomicU64,
    /// By signal: those that were taken, and those that weren't.
    exports: [[AtomicU64; 2]; 2],
}

impl ExportStats {
    /// A collector took so many spans.
    pub(crate) fn add_sent_spans(&self, spans: usize) {
        self.spans_sent.fetch_add(spans as u64, Relaxed);
    }

    /// So many spans were dropped.
    pub(crate) fn add_dropped_spans(&self, spans: usize) {
        self.spans_dropped.fetch_add(spans as u64, Relaxed);
    }

    /// Something was sent, and taken or not.
    pub(crate) fn add_export(&self, signal: Signal, taken: bool) {
        self.exports[signal as usize][usize::from(!taken)].fetch_add(1, Relaxed);
    }

    /// Writes it down.
    pub fn collect(&self, snapshot: &mut MetricSnapshot) {
        snapshot.add_u64(&definitions::SPANS_SENT, &[], self.spans_sent.load(Relaxed));
        snapshot.add_u64(&definitions::SPANS_DROPPED, &[], self.spans_dropped.load(Relaxed));
        for (signal, name) in SIGNALS {
            for (outcome, count) in ["ok", "error"].iter().zip(&self.exports[signal as usize]) {
                snapshot.add_u64(&definitions::EXPORTS, &[name, outcome], count.load(Relaxed));
            }
        }
    }
}
