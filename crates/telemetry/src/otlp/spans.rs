//! A Check as a span: who asked for what and how it ended, in dotted names. Never the credential, a query or a
//! header's value; what a client can make long is cut.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::observer::{CheckEvent, CheckOutcome, Entrypoint};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::sync::mpsc::Sender;

use super::attributes::string_attribute;
use super::sampler::{Sampler, SpanContext};
use super::{Clocks, SamplerOptions};
use crate::ExportStats;

/// The longest identifier of a request that is told.
const MAX_REQUEST_ID_BYTES: usize = 128;
/// The longest `tracestate` that its specification asks to be handed on.
const MAX_TRACESTATE_BYTES: usize = 512;
/// Sampled; and whether the parent is another process's is known, and it is.
const FLAGS: u32 = 1 | 0x100 | 0x200;

/// Makes spans of Checks.
pub struct SpanRecorder {
    sampler: Sampler,
    clocks: Clocks,
    queue: Sender<Span>,
    export_stats: Arc<ExportStats>,
}

impl SpanRecorder {
    /// Into this queue.
    pub(super) fn new(
        (settings, seed): (SamplerOptions, u64),
        clocks: Clocks,
        queue: Sender<Span>,
        export_stats: Arc<ExportStats>,
    ) -> Self {
        Self { sampler: Sampler::new(settings, seed), clocks, queue, export_stats }
    }

    /// A question was answered.
    pub(crate) fn on_check(&self, answered: &CheckEvent<'_>) {
        let Some(context) = self.sampler.sample(answered.metadata.traceparent()) else { return };
        let took = self.clocks.clock.monotonic().since(answered.context.started_at.monotonic);
        if self.queue.try_send(span(answered, context, (took, (self.clocks.unix_nanos)()))).is_err() {
            self.export_stats.add_dropped_spans(1);
        }
    }
}

fn span(answered: &CheckEvent<'_>, context: SpanContext, (took, end): (Duration, u64)) -> Span {
    let state = answered.metadata.tracestate().filter(|_| context.parent.is_some());
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
        attributes: attributes(answered),
        status: match answered.outcome {
            CheckOutcome::Error(_) => Some(Status { code: StatusCode::Error.into(), ..Status::default() }),
            CheckOutcome::Allowed | CheckOutcome::Denied(_) | CheckOutcome::Malformed => None,
        },
        ..Span::default()
    }
}

fn attributes(answered: &CheckEvent<'_>) -> Vec<KeyValue> {
    let context = answered.context;
    let mut all = vec![
        string_attribute("latchkey.entrypoint", answered.entrypoint.name()),
        string_attribute("latchkey.decision", answered.outcome.decision()),
        string_attribute("latchkey.reason", answered.outcome.reason()),
        string_attribute("latchkey.source", answered.source().name()),
    ];
    let rpc = match answered.entrypoint {
        Entrypoint::ExtAuthz => Some("envoy.service.auth.v3.Authorization/Check"),
        Entrypoint::Native => Some("latchkey.v1.CheckService/Check"),
        Entrypoint::Http => None,
    };
    if let Some(rpc) = rpc {
        all.extend([string_attribute("rpc.system.name", "grpc"), string_attribute("rpc.method", rpc)]);
    }
    if let CheckOutcome::Error(_) = answered.outcome {
        all.push(string_attribute("error.type", answered.outcome.reason()));
    }
    if !answered.method.is_empty() {
        all.push(string_attribute("http.request.method", method(answered.method)));
    }
    if let Some(denial) = &context.shadow {
        all.push(string_attribute("latchkey.shadow.reason", denial.reason.name()));
    }
    if let Some(route) = answered.route() {
        all.extend([string_attribute("latchkey.route", route), string_attribute("http.route", route)]);
    }
    if let Some(policy) = &context.policy {
        all.push(string_attribute("latchkey.profile", &*policy.name));
    }
    if let Some(who) = &context.principal {
        all.push(string_attribute("latchkey.tenant", &*who.tenant.slug));
        all.push(string_attribute("latchkey.subject.type", who.subject_type()));
        all.push(string_attribute("latchkey.subject.id", who.subject_id()));
        all.extend(who.environment().map(|name| string_attribute("latchkey.environment", name)));
    }
    let envoys = answered.metadata.envoy_request_id().and_then(|id| std::str::from_utf8(id).ok());
    for (name, id) in [
        ("latchkey.request_id", answered.request_id),
        ("latchkey.envoy_request_id", envoys.unwrap_or_default()),
    ] {
        if !id.is_empty() {
            all.push(string_attribute(name, cut(id)));
        }
    }
    all
}

/// A method that HTTP knows; another one is anything that a client may think of.
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
    fn what_a_client_thinks_of_is_not_told_at_length() {
        assert_eq!((method("GET"), method("get"), method("sk_live_x")), ("GET", "_OTHER", "_OTHER"));
        assert_eq!(cut(&"x".repeat(300)).len(), MAX_REQUEST_ID_BYTES);
        assert_eq!(cut("r-1"), "r-1");
    }
}
