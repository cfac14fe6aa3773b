//! The decision log: one JSON object a line for each answer that the operator wants to keep, or for a share of
//! them. It never waits for whoever reads it; what isn't sampled costs a comparison.

mod line;
mod sample_rate;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::observer::{CheckEvent, CheckObserver, CheckOutcome};
use latchkey_core::time::Clock;

pub use self::sample_rate::SampleRate;
use super::non_blocking_writer::NonBlockingWriter;
use super::reopening_file::ReopeningFile;

/// Lines that were dropped since the process began: it has one such log.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped since the process began.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Shares of the decisions that are noted.
#[derive(Clone, Copy, Debug)]
pub struct SampleRates {
    /// Of those that are allowed.
    pub allowed: SampleRate,
    /// Of those that are denied, or would be in shadow mode.
    pub denied: SampleRate,
}

/// Notes answers.
pub struct DecisionLogger {
    lines: NonBlockingWriter,
    clock: Arc<dyn Clock>,
    rates: SampleRates,
}

impl DecisionLogger {
    /// Writes to standard output.
    #[must_use]
    pub fn to_stdout(rates: SampleRates, clock: Arc<dyn Clock>) -> Self {
        let lines = NonBlockingWriter::spawn("decisions", io::stdout(), line::dropped_line, &DROPPED);
        Self { lines, clock, rates }
    }

    /// Appends to a file or a pipe, which is opened again where it was moved away.
    pub fn to_file(path: &Path, rates: SampleRates, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let lines =
            NonBlockingWriter::spawn("decisions", ReopeningFile::open(path)?, line::dropped_line, &DROPPED);
        Ok(Self { lines, clock, rates })
    }

    /// Writes out what is queued, within a second.
    pub fn shutdown(&self) {
        self.lines.flush_queue();
    }
}

impl CheckObserver for DecisionLogger {
    fn on_check(&self, answered: &CheckEvent<'_>) {
        // What would have been denied is what the log is kept for, like what was.
        let plain = matches!(answered.outcome, CheckOutcome::Allowed) && answered.context.shadow.is_none();
        let rate = if plain { self.rates.allowed } else { self.rates.denied };
        if rate.sample() {
            self.lines.write_line(line::decision_line(answered, self.clock.now()));
        }
    }
}
