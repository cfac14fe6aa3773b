//! Telemetry of the server. The program's log goes to standard error, as text for people or as JSON for programs.
//! Libraries never log below `info`, whatever the settings say, since they would log the content of connections. The
//! lines that an unauthenticated client can cause are bounded.
//! [`MetricsObserver`] counts Checks and calls, each part registers its metrics with the [`Registry`], and [`otlp`] sends
//! metrics and traces to a collector. [`DecisionLogger`] writes the decision log.

mod decision_log;
pub mod definitions;
mod export_stats;
mod log_bound;
pub mod metric;
mod metrics_observer;
mod non_blocking_writer;
mod observer_set;
pub mod otlp;
mod process;
mod profile_slots;
pub mod prometheus;
mod query_durations;
mod registry;
mod reopening_file;
mod shadow_counters;
mod sharded_counters;
mod splitmix64;

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

pub use decision_log::{DecisionLogger, SampleRate, SampleRates};
pub use export_stats::ExportStats;
pub use metric::MetricSnapshot;
pub use metrics_observer::MetricsObserver;
pub use non_blocking_writer::FlushGuard;
pub use observer_set::ObserverSet;
pub use query_durations::QueryDurations;
pub use registry::Registry;

use log_bound::LogBound;
use non_blocking_writer::NonBlockingWriter;

/// Format of a line of the program's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// JSON for programs: one object per line.
    Json,
}

/// Starts logging for the whole process. The returned guard writes the queued lines when it is dropped. Without a
/// format, the log is text on a terminal and JSON elsewhere; `directives` are those of `tracing_subscriber::EnvFilter`.
#[must_use]
pub fn start(format: Option<LogFormat>, directives: &str) -> FlushGuard {
    let (lines, flush) = NonBlockingWriter::for_process_log(std::io::stderr());
    let filter = EnvFilter::builder().parse_lossy(directives);
    let ours_or_coarse =
        filter_fn(|meta| meta.target().starts_with("latchkey") || *meta.level() <= Level::INFO);
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    // Without its thread there is no bound, and the log is still better than none.
    let registry =
        tracing_subscriber::registry().with(filter).with(ours_or_coarse).with(LogBound::start().ok());
    let started = match format {
        LogFormat::Text => registry.with(fmt::layer().with_ansi(terminal).with_writer(lines)).try_init(),
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(lines)).try_init()
        }
    };
    // A program that embeds the server may have installed its own subscriber, which is then kept.
    drop(started);
    flush
}
