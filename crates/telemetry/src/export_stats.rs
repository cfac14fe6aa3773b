//! Statistics of OTLP exports.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::definitions;
use super::metric::MetricSnapshot;

/// Kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

const SIGNALS: [(Signal, &str); 2] = [(Signal::Traces, "traces"), (Signal::Metrics, "metrics")];

/// Counters of exported and dropped telemetry.
#[derive(Debug, Default)]
pub struct ExportStats {
    spans_sent: AtomicU64,
    spans_dropped: AtomicU64,
    /// Exports by signal: successful ones, then failed ones.
    exports: [[AtomicU64; 2]; 2],
}

impl ExportStats {
    /// Counts spans that a collector accepted.
    pub(crate) fn add_sent_spans(&self, spans: usize) {
        self.spans_sent.fetch_add(spans as u64, Relaxed);
    }

    /// Counts spans that were dropped.
    pub(crate) fn add_dropped_spans(&self, spans: usize) {
        self.spans_dropped.fetch_add(spans as u64, Relaxed);
    }

    /// Counts an export. Failures are logged at debug only: a missing collector is no emergency, and a metric counts
    /// them.
    pub(crate) fn record_export(&self, signal: Signal, failed: Option<&impl Display>) {
        self.exports[signal as usize][usize::from(failed.is_some())].fetch_add(1, Relaxed);
        if let Some(error) = failed {
            tracing::debug!(?signal, %error, "an OTLP export failed; the data is dropped and counted");
        }
    }

    /// Adds the counters to a snapshot.
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
