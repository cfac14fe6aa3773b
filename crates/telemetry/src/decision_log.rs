//! The decision log: one JSON object per line for each sampled decision. Logging never waits for the log's reader, and
//! a decision that is not sampled costs one comparison.

mod line;
mod sample_rate;

use std::io;
use std::path::Path;
use std::sync::Arc;

use latchkey_core::observer::{CheckEvent, CheckObserver, CheckOutcome};
use latchkey_core::time::Clock;

pub use self::sample_rate::SampleRate;
use super::non_blocking_writer::{DroppedLines, NonBlockingWriter};
use super::reopening_file::ReopeningFile;

/// Dropped lines of the decision log.
static DROPPED: DroppedLines = DroppedLines::new();

/// Returns the number of lines dropped since the process's start.
pub(crate) fn dropped() -> u64 {
    DROPPED.total()
}

/// Ratios of the decisions that are logged.
#[derive(Clone, Copy, Debug)]
pub struct SampleRates {
    /// Ratio of allowed Checks.
    pub allowed: SampleRate,
    /// Ratio of Checks that are denied, or would be denied but for shadow mode.
    pub denied: SampleRate,
}

/// Observer that writes decisions to the log.
pub struct DecisionLogger {
    lines: NonBlockingWriter,
    clock: Arc<dyn Clock>,
    rates: SampleRates,
}

impl DecisionLogger {
    /// Creates a logger that writes to standard output.
    #[must_use]
    pub fn to_stdout(rates: SampleRates, clock: Arc<dyn Clock>) -> Self {
        let lines = NonBlockingWriter::spawn("decisions", io::stdout(), line::dropped_line, &DROPPED);
        Self { lines, clock, rates }
    }

    /// Creates a logger that appends to a file or a pipe. A file that was moved away (rotated) is opened again.
    pub fn to_file(path: &Path, rates: SampleRates, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let lines =
            NonBlockingWriter::spawn("decisions", ReopeningFile::open(path)?, line::dropped_line, &DROPPED);
        Ok(Self { lines, clock, rates })
    }

    /// Writes the queued lines, within a second.
    pub fn shutdown(&self) {
        self.lines.flush_queue();
    }
}

impl CheckObserver for DecisionLogger {
    fn on_check(&self, event: &CheckEvent<'_>) {
        // A shadow denial is sampled like a denial.
        let plain = matches!(event.outcome, CheckOutcome::Allowed) && event.context.shadow.is_none();
        let rate = if plain { self.rates.allowed } else { self.rates.denied };
        if rate.sample() {
            self.lines.write_line(&line::decision_line(event, self.clock.now()));
        }
    }
}
