//! Everybody who hears of answers: the counts always, the log of decisions and traces where there are
//! any.

use std::sync::Arc;

use latchkey_core::witness::{Answered, Event, Served, Witness};

use super::otlp::Spans;
use super::{Decisions, Meter};

/// Hands on what is heard.
pub struct Listeners {
    /// Counts.
    pub meter: Arc<Meter>,
    /// The log of decisions, where there is one.
    pub decisions: Option<Arc<Decisions>>,
    /// Traces, where they are exported.
    pub spans: Option<Spans>,
}

impl Witness for Listeners {
    fn saw(&self, answered: &Answered<'_>) {
        self.meter.saw(answered);
        if let Some(decisions) = &self.decisions {
            decisions.saw(answered);
        }
        if let Some(spans) = &self.spans {
            spans.saw(answered);
        }
    }

    fn noted(&self, event: Event) {
        self.meter.noted(event);
    }

    fn served(&self, call: &Served) {
        self.meter.served(call);
    }
}
