//! Spans of Checks, with the principal, the route and the decision as attributes. A span never holds a credential, a
//! query string or a header's value; values whose length a client chooses are cut.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use latchkey_config::SamplerSettings;
use latchkey_core::observer::{CheckEvent, CheckOutcome, Entrypoint};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::sampler::{Sampler, SpanIds};
use super::span_queue::SpanQueue;
use super::{Clocks, attributes};

/// Maximum length of a request identifier in a span, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;
/// Maximum length of a `tracestate` that is passed on, in bytes: the length that W3C Trace Context requires.
const MAX_TRACESTATE_BYTES: usize = 512;

/// Recorder of spans of Checks. It creates a span when its Check is decided, without the SDK's tracer: a Check that is
/// not sampled costs the sampler's decision only.
pub struct SpanRecorder {
    sampler: Sampler,
    clocks: Clocks,
    queue: Arc<SpanQueue>,
    scope: InstrumentationScope,
}

impl SpanRecorder {
    /// Creates a recorder that puts spans into `queue`; `seed` seeds the span numbers.
    pub(super) fn new(settings: SamplerSettings, seed: u64, clocks: Clocks, queue: Arc<SpanQueue>) -> Self {
        Self { sampler: Sampler::new(settings, seed), clocks, queue, scope: attributes::scope() }
    }

    /// Records a decided Check, if it is sampled.
    pub(crate) fn on_check(&self, event: &CheckEvent<'_>) {
        let Some(ids) = self.sampler.sample(event.metadata.traceparent()) else { return };
        let took = self.clocks.clock.monotonic().since(event.context.started_at.monotonic);
        let end = SystemTime::UNIX_EPOCH + Duration::from_nanos((self.clocks.unix_nanos)());
        self.queue.put(SpanData {
            span_context: span_context(event, ids),
            parent_span_id: ids.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: ids.parent.is_some(),
            span_kind: SpanKind::Server,
            name: "latchkey.check".into(),
            start_time: end.checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH),
            end_time: end,
            attributes: span_attributes(event),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match event.outcome {
                CheckOutcome::Error(_) => Status::error(""),
                CheckOutcome::Allowed | CheckOutcome::Denied(_) | CheckOutcome::Malformed => Status::Unset,
            },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// Returns a span's identifiers, with the caller's `tracestate` if it is valid.
fn span_context(event: &CheckEvent<'_>, ids: SpanIds) -> SpanContext {
    let state = event.metadata.tracestate().filter(|_| ids.parent.is_some());
    let state =
        state.filter(|state| state.len() <= MAX_TRACESTATE_BYTES).and_then(|s| std::str::from_utf8(s).ok());
    let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let (trace, span) = (TraceId::from(ids.trace), SpanId::from(ids.span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, state)
}

fn span_attributes(event: &CheckEvent<'_>) -> Vec<KeyValue> {
    let context = event.context;
    let mut all = vec![
        KeyValue::new("latchkey.entrypoint", event.entrypoint.name()),
        KeyValue::new("latchkey.decision", event.outcome.decision()),
        KeyValue::new("latchkey.reason", event.outcome.reason()),
        KeyValue::new("latchkey.source", event.source().name()),
    ];
    let rpc = match event.entrypoint {
        Entrypoint::ExtAuthz => Some("envoy.service.auth.v3.Authorization/Check"),
        Entrypoint::Native => Some("latchkey.v1.CheckService/Check"),
        Entrypoint::Http => None,
    };
    if let Some(rpc) = rpc {
        all.extend([KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", rpc)]);
    }
    if let CheckOutcome::Error(_) = event.outcome {
        all.push(KeyValue::new("error.type", event.outcome.reason()));
    }
    if !event.method.is_empty() {
        all.push(KeyValue::new("http.request.method", method(event.method)));
    }
    if let Some(denial) = &context.shadow {
        all.push(KeyValue::new("latchkey.shadow.reason", denial.reason.name()));
    }
    if let Some(route) = event.route() {
        all.extend([text("latchkey.route", route), text("http.route", route)]);
    }
    if let Some(policy) = &context.policy {
        all.push(text("latchkey.profile", &policy.name));
    }
    if let Some(principal) = &context.principal {
        all.push(text("latchkey.tenant", &principal.tenant.slug));
        all.push(KeyValue::new("latchkey.subject.type", principal.subject_type()));
        all.push(KeyValue::new("latchkey.subject.id", principal.subject_id()));
        all.extend(principal.environment().map(|name| text("latchkey.environment", name)));
    }
    let envoys = event.metadata.envoy_request_id().and_then(|id| std::str::from_utf8(id).ok());
    for (name, id) in
        [("latchkey.request_id", event.request_id), ("latchkey.envoy_request_id", envoys.unwrap_or_default())]
    {
        if !id.is_empty() {
            all.push(text(name, cut(id)));
        }
    }
    all
}

/// Returns an attribute with a copy of a text.
fn text(name: &'static str, text: &str) -> KeyValue {
    KeyValue::new(name, text.to_owned())
}

/// Returns a method that HTTP defines, or `_OTHER`: a client can send any text as its method.
fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

fn cut(id: &str) -> &str {
    id.get(..id.len().min(MAX_REQUEST_ID_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_values_are_replaced_or_cut() {
        assert_eq!((method("GET"), method("get"), method("sk_live_x")), ("GET", "_OTHER", "_OTHER"));
        assert_eq!(cut(&"x".repeat(300)).len(), MAX_REQUEST_ID_BYTES);
        assert_eq!(cut("r-1"), "r-1");
    }
}
