//! All observers of decisions: the metrics always, the decision log and traces if they are configured.

use std::sync::Arc;

use latchkey_core::observer::{CheckEvent, CheckObserver, RpcEvent, TokenEvent};

use super::otlp::SpanRecorder;
use super::{DecisionLogger, MetricsObserver};

/// Observers that each event is passed to.
pub struct ObserverSet {
    /// Metrics.
    pub metrics: Arc<MetricsObserver>,
    /// Decision log, if it is on.
    pub decisions: Option<Arc<DecisionLogger>>,
    /// Traces, if they are exported.
    pub spans: Option<SpanRecorder>,
}

impl CheckObserver for ObserverSet {
    fn on_check(&self, event: &CheckEvent<'_>) {
        self.metrics.on_check(event);
        if let Some(decisions) = &self.decisions {
            decisions.on_check(event);
        }
        if let Some(spans) = &self.spans {
            spans.on_check(event);
        }
    }

    fn on_token_event(&self, event: TokenEvent) {
        self.metrics.on_token_event(event);
    }

    fn on_rpc(&self, call: &RpcEvent) {
        self.metrics.on_rpc(call);
    }
}
