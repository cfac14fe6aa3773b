//! What the process tells of itself. The log goes to standard error, text for people or JSON for programs;
//! libraries never log more than `info`, whatever is asked for, since below that they show what is on the wire.
//! Metrics are counted by the [`Meter`] and told by [`Gauges`]; [`otlp`] sends them and traces to a collector.

mod appended;
pub mod catalogue;
mod chance;
mod decisions;
mod exported;
mod gauges;
mod listeners;
mod meter;
pub mod metric;
pub(crate) mod otlp;
mod places;
mod process;
mod profiles;
pub(crate) mod prometheus;
mod queries;
mod shadows;
mod writer;

use std::io::IsTerminal as _;

use latchkey_config::{Log, LogFormat};
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

pub(crate) use decisions::Decisions;
pub use decisions::Share;
pub(crate) use exported::Exported;
pub(crate) use gauges::Gauges;
pub(crate) use listeners::Listeners;
pub use meter::Meter;
pub(crate) use queries::Queries;
pub use writer::Flush;

use writer::Lines;

/// Starts logging for the whole process; what is returned writes out the rest when it is dropped.
#[must_use]
pub fn start(log: &Log) -> Flush {
    let (lines, flush) = Lines::to(std::io::stderr());
    let filter = EnvFilter::builder().parse_lossy(&log.directives);
    let ours_or_coarse =
        filter_fn(|meta| meta.target().starts_with("latchkey") || *meta.level() <= Level::INFO);
    let terminal = std::io::stderr().is_terminal();
    let format = log.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let registry = tracing_subscriber::registry().with(filter).with(ours_or_coarse);
    let started = match format {
        LogFormat::Text => registry.with(fmt::layer().with_ansi(terminal).with_writer(lines)).try_init(),
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(lines)).try_init()
        }
    };
    // Whoever embeds this may log already; then theirs is the log.
    drop(started);
    flush
}
