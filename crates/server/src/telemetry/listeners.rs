//! Everybody who hears of answers: the counts always, the log of decisions and traces where there are
//! any.

use std::sync::Arc;

use latchkey_core::witness::{Answered, Event, Served, Witness};

use super::otlp::Spans;
use super::{Decisions, Meter};

/// Hands on what is heard.
pub(crate) struct Listeners {
    pub(crate) meter: Arc<Meter>,
    pub(crate) decisions: Option<Arc<Decisions>>,
    pub(crate) spans: Option<Spans>,
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
