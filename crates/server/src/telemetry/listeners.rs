//! Everybody who hears of answers: the counts always, the log of decisions where there is one.

use std::sync::Arc;

use latchkey_core::witness::{Answered, Event, Served, Witness};

use super::{Decisions, Meter};

/// Hands on what is heard.
pub(crate) struct Listeners {
    pub(crate) meter: Arc<Meter>,
    pub(crate) decisions: Option<Arc<Decisions>>,
}

impl Witness for Listeners {
    fn saw(&self, answered: &Answered<'_>) {
        self.meter.saw(answered);
        if let Some(decisions) = &self.decisions {
            decisions.saw(answered);
        }
    }

    fn noted(&self, event: Event) {
        self.meter.noted(event);
    }

    fn served(&self, call: &Served) {
        self.meter.served(call);
    }
}
