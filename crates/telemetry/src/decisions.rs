//! The log of decisions: one JSON object a line for each answer that the operator wants to keep, or for a share of
//! them. It never waits for whoever reads it; what isn't sampled costs a comparison.

mod line;
mod share;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::time::Clock;
use latchkey_core::witness::{Answered, Outcome, Witness};

pub use self::share::Share;
use super::appended::Appended;
use super::writer::Lines;

/// Lines that were dropped since the process began: it has one such log.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped since the process began.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Shares of the decisions that are noted.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Of those that are allowed.
    pub allowed: Share,
    /// Of those that are denied, or would be in shadow mode.
    pub denied: Share,
}

/// Notes answers.
pub struct Decisions {
    lines: Lines,
    clock: Arc<dyn Clock>,
    shares: Shares,
}

impl Decisions {
    /// Writes to standard output.
    #[must_use]
    pub fn to_stdout(shares: Shares, clock: Arc<dyn Clock>) -> Self {
        let lines = Lines::named("decisions", io::stdout(), line::dropped, &DROPPED);
        Self { lines, clock, shares }
    }

    /// Appends to a file or a pipe, which is opened again where it was moved away.
    pub fn to_file(path: &Path, shares: Shares, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let lines = Lines::named("decisions", Appended::to(path)?, line::dropped, &DROPPED);
        Ok(Self { lines, clock, shares })
    }

    /// Writes out what is queued, within a second.
    pub fn end(&self) {
        self.lines.settle();
    }
}

impl Witness for Decisions {
    fn saw(&self, answered: &Answered<'_>) {
        // What would have been denied is what the log is kept for, like what was.
        let plain = matches!(answered.outcome, Outcome::Allowed) && answered.seen.shadow.is_none();
        let share = if plain { self.shares.allowed } else { self.shares.denied };
        if share.takes() {
            self.lines.put(line::of(answered, self.clock.now()));
        }
    }
}
