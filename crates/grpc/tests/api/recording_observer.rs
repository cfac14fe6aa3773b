//! Observer that records events as text.

use std::sync::{Mutex, PoisonError};

use latchkey_core::observer::{CheckEvent, CheckObserver, RpcEvent};

/// Observer that records each event as one line.
#[derive(Default)]
pub(crate) struct RecordingObserver(Mutex<Vec<String>>);

impl RecordingObserver {
    fn write(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CheckObserver for RecordingObserver {
    fn on_check(&self, event: &CheckEvent<'_>) {
        let sent = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        let entrypoint = event.entrypoint.name();
        let (trace, id) = (sent(event.metadata.traceparent()), sent(event.metadata.envoy_request_id()));
        self.write(format!("{entrypoint} {} {} {trace}{id}", event.outcome.reason(), event.source().name()));
    }

    fn on_rpc(&self, call: &RpcEvent) {
        self.write(format!("{} {}", call.method, call.code));
    }
}
