//! Telemetry of the server. The program's log goes to standard error, as text for people or as JSON for programs;
//! libraries never log more than `info`, whatever is asked for, since below that they show what is on the wire.
//! The [`Meter`] counts Checks and calls, each part registers what it measures with the [`Registry`], and [`otlp`]
//! sends metrics and traces to a collector. [`Decisions`] writes the log of decisions.

mod appended;
pub mod catalogue;
mod chance;
mod decisions;
mod exported;
mod listeners;
mod meter;
pub mod metric;
pub mod otlp;
mod places;
mod process;
mod profiles;
pub mod prometheus;
mod queries;
mod registry;
mod shadows;
mod writer;

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

pub use decisions::{Decisions, Share, Shares};
pub use exported::Exported;
pub use listeners::Listeners;
pub use meter::Meter;
pub use metric::Sheet;
pub use queries::Queries;
pub use registry::Registry;
pub use writer::Flush;

use writer::Lines;

/// Format of a line of the program's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

/// Starts logging for the whole process; what is returned writes out the rest when it is dropped. Without a format,
/// it is text on a terminal, else JSON; `directives` are those of `tracing_subscriber::EnvFilter`.
#[must_use]
pub fn start(format: Option<LogFormat>, directives: &str) -> Flush {
    let (lines, flush) = Lines::to(std::io::stderr());
    let filter = EnvFilter::builder().parse_lossy(directives);
    let ours_or_coarse =
        filter_fn(|meta| meta.target().starts_with("latchkey") || *meta.level() <= Level::INFO);
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
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
