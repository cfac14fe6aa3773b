//! Somebody who listens, and writes down what is heard.

use std::sync::{Mutex, PoisonError};

use latchkey_core::witness::{Answered, Served, Witness};

/// Writes down what it hears.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn write(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Witness for Heard {
    fn saw(&self, answered: &Answered<'_>) {
        let sent = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        let door = answered.door.name();
        let (trace, id) = (sent(answered.sent.traceparent()), sent(answered.sent.envoy_request_id()));
        self.write(format!("{door} {} {} {trace}{id}", answered.outcome.reason(), answered.source().name()));
    }

    fn served(&self, call: &Served) {
        self.write(format!("{} {}", call.method, call.code));
    }
}
