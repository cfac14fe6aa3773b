//! Spans of Checks, with the principal, the route and the decision as attributes. A span never holds a credential, a
//! query string or a header's value; values whose length a client chooses are cut.

use std::sync::Arc;
use std::time::Duration;

use latchkey_config::SamplerSettings;
use latchkey_core::observer::{CheckEvent, CheckOutcome, Entrypoint};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::sync::mpsc::Sender;

use super::Clocks;
use super::attributes::string_attribute;
use super::sampler::{Sampler, SpanContext};
use crate::ExportStats;

/// Maximum length of a request identifier in a span, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;
/// Maximum length of a `tracestate` that is passed on, in bytes: the length that W3C Trace Context requires.
const MAX_TRACESTATE_BYTES: usize = 512;
/// Span flags: sampled, "is remote" is known, and the parent is remote.
const FLAGS: u32 = 1 | 0x100 | 0x200;

/// Recorder of spans of Checks.
pub struct SpanRecorder {
    sampler: Sampler,
    clocks: Clocks,
    queue: Sender<Span>,
    export_stats: Arc<ExportStats>,
}

impl SpanRecorder {
    /// Creates a recorder that puts spans into `queue`; `seed` seeds the span numbers.
    pub(super) fn new(
        settings: SamplerSettings,
        seed: u64,
        clocks: Clocks,
        queue: Sender<Span>,
        export_stats: Arc<ExportStats>,
    ) -> Self {
        Self { sampler: Sampler::new(settings, seed), clocks, queue, export_stats }
    }

    /// Records a decided Check, if it is sampled. A span that does not fit into the queue is dropped and counted.
    pub(crate) fn on_check(&self, event: &CheckEvent<'_>) {
        let Some(context) = self.sampler.sample(event.metadata.traceparent()) else { return };
        let took = self.clocks.clock.monotonic().since(event.context.started_at.monotonic);
        if self.queue.try_send(span(event, context, took, (self.clocks.unix_nanos)())).is_err() {
            self.export_stats.add_dropped_spans(1);
        }
    }
}

fn span(event: &CheckEvent<'_>, context: SpanContext, took: Duration, end: u64) -> Span {
    let state = event.metadata.tracestate().filter(|_| context.parent.is_some());
    let state =
        state.filter(|state| state.len() <= MAX_TRACESTATE_BYTES).and_then(|s| std::str::from_utf8(s).ok());
    Span {
        trace_id: context.trace.to_be_bytes().to_vec(),
        span_id: context.span.to_be_bytes().to_vec(),
        parent_span_id: context.parent.map(|span| span.to_be_bytes().to_vec()).unwrap_or_default(),
        trace_state: state.unwrap_or_default().to_owned(),
        flags: if context.parent.is_some() { FLAGS } else { 1 },
        name: "latchkey.check".to_owned(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: end.saturating_sub(latchkey_core::time::nanos(took)),
        end_time_unix_nano: end,
        attributes: attributes(event),
        status: match event.outcome {
            CheckOutcome::Error(_) => Some(Status { code: StatusCode::Error.into(), ..Status::default() }),
            CheckOutcome::Allowed | CheckOutcome::Denied(_) | CheckOutcome::Malformed => None,
        },
        ..Span::default()
    }
}

fn attributes(event: &CheckEvent<'_>) -> Vec<KeyValue> {
    let context = event.context;
    let mut all = vec![
        string_attribute("latchkey.entrypoint", event.entrypoint.name()),
        string_attribute("latchkey.decision", event.outcome.decision()),
        string_attribute("latchkey.reason", event.outcome.reason()),
        string_attribute("latchkey.source", event.source().name()),
    ];
    let rpc = match event.entrypoint {
        Entrypoint::ExtAuthz => Some("envoy.service.auth.v3.Authorization/Check"),
        Entrypoint::Native => Some("latchkey.v1.CheckService/Check"),
        Entrypoint::Http => None,
    };
    if let Some(rpc) = rpc {
        all.extend([string_attribute("rpc.system.name", "grpc"), string_attribute("rpc.method", rpc)]);
    }
    if let CheckOutcome::Error(_) = event.outcome {
        all.push(string_attribute("error.type", event.outcome.reason()));
    }
    if !event.method.is_empty() {
        all.push(string_attribute("http.request.method", method(event.method)));
    }
    if let Some(denial) = &context.shadow {
        all.push(string_attribute("latchkey.shadow.reason", denial.reason.name()));
    }
    if let Some(route) = event.route() {
        all.extend([string_attribute("latchkey.route", route), string_attribute("http.route", route)]);
    }
    if let Some(policy) = &context.policy {
        all.push(string_attribute("latchkey.profile", &*policy.name));
    }
    if let Some(principal) = &context.principal {
        all.push(string_attribute("latchkey.tenant", &*principal.tenant.slug));
        all.push(string_attribute("latchkey.subject.type", principal.subject_type()));
        all.push(string_attribute("latchkey.subject.id", principal.subject_id()));
        all.extend(principal.environment().map(|name| string_attribute("latchkey.environment", name)));
    }
    let envoys = event.metadata.envoy_request_id().and_then(|id| std::str::from_utf8(id).ok());
    for (name, id) in
        [("latchkey.request_id", event.request_id), ("latchkey.envoy_request_id", envoys.unwrap_or_default())]
    {
        if !id.is_empty() {
            all.push(string_attribute(name, cut(id)));
        }
    }
    all
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
