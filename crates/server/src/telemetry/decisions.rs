//! The log of decisions: one JSON object a line for each answer that the operator wants to keep, or for a share of
//! them. It never waits for whoever reads it; what isn't sampled costs a comparison.

mod line;
mod share;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_config::{DecisionLog, DecisionTarget};
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

/// Notes answers.
pub(crate) struct Decisions {
    lines: Lines,
    clock: Arc<dyn Clock>,
    allowed: Share,
    denied: Share,
}

impl Decisions {
    /// Opens the log, where there is to be one.
    pub(crate) fn open(log: &DecisionLog, clock: Arc<dyn Clock>) -> io::Result<Option<Arc<Self>>> {
        let lines = match &log.target {
            DecisionTarget::Off => return Ok(None),
            DecisionTarget::Stdout => Lines::named("decisions", io::stdout(), line::dropped, &DROPPED),
            DecisionTarget::File(path) => {
                Lines::named("decisions", Appended::to(path)?, line::dropped, &DROPPED)
            }
        };
        Ok(Some(Arc::new(Self {
            lines,
            clock,
            allowed: Share::of(log.allowed),
            denied: Share::of(log.denied),
        })))
    }

    /// Writes out what is queued, within a second.
    pub(crate) fn end(&self) {
        self.lines.settle();
    }
}

impl Witness for Decisions {
    fn saw(&self, answered: &Answered<'_>) {
        // What would have been denied is what the log is kept for, like what was.
        let plain = matches!(answered.outcome, Outcome::Allowed) && answered.seen.shadow.is_none();
        let share = if plain { self.allowed } else { self.denied };
        if share.takes() {
            self.lines.put(line::of(answered, self.clock.now()));
        }
    }
}
