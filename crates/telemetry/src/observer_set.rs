//! Everybody who hears of answers: the counts always, the decision log and traces where there are
//! any.

use std::sync::Arc;

use latchkey_core::observer::{CheckEvent, CheckObserver, RpcEvent, TokenEvent};

use super::otlp::SpanRecorder;
use super::{DecisionLogger, MetricsObserver};

/// Hands on what is heard.
pub struct ObserverSet {
    /// Counts.
    pub metrics: Arc<MetricsObserver>,
    /// The decision log, where there is one.
    pub decisions: Option<Arc<DecisionLogger>>,
    /// Traces, where they are exported.
    pub spans: Option<SpanRecorder>,
}

impl CheckObserver for ObserverSet {
    fn on_check(&self, answered: &CheckEvent<'_>) {
        self.metrics.on_check(answered);
        if let Some(decisions) = &self.decisions {
            decisions.on_check(answered);
        }
        if let Some(spans) = &self.spans {
            spans.on_check(answered);
        }
    }

    fn on_token_event(&self, event: TokenEvent) {
        self.metrics.on_token_event(event);
    }

    fn on_rpc(&self, call: &RpcEvent) {
        self.metrics.on_rpc(call);
    }
}
