//! A Check as a span: who asked for what and how it ended, in dotted names. Never the credential, a query or a
//! header's value; what a client can make long is cut.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::witness::{Answered, Door, Outcome};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::sync::mpsc::Sender;

use super::sampler::{Chooser, Chosen};
use super::words::text;
use super::{Clocks, Sampler};
use crate::Exported;

/// The longest identifier of a request that is told.
const LONGEST: usize = 128;
/// The longest `tracestate` that its specification asks to be handed on.
const LONGEST_STATE: usize = 512;
/// Sampled; and whether the parent is another process's is known, and it is.
const FLAGS: u32 = 1 | 0x100 | 0x200;

/// Makes spans of Checks.
pub struct Spans {
    chooser: Chooser,
    clocks: Clocks,
    queue: Sender<Span>,
    exported: Arc<Exported>,
}

impl Spans {
    /// Into this queue.
    pub(super) fn new(
        (sampler, seed): (Sampler, u64),
        clocks: Clocks,
        queue: Sender<Span>,
        exported: Arc<Exported>,
    ) -> Self {
        Self { chooser: Chooser::new(sampler, seed), clocks, queue, exported }
    }

    /// A question was answered.
    pub(crate) fn saw(&self, answered: &Answered<'_>) {
        let Some(chosen) = self.chooser.choose(answered.sent.traceparent()) else { return };
        let took = self.clocks.clock.tick().since(answered.seen.began.tick);
        if self.queue.try_send(span(answered, chosen, (took, (self.clocks.nanos_now)()))).is_err() {
            self.exported.dropped(1);
        }
    }
}

fn span(answered: &Answered<'_>, chosen: Chosen, (took, end): (Duration, u64)) -> Span {
    let state = answered.sent.tracestate().filter(|_| chosen.parent.is_some());
    let state = state.filter(|state| state.len() <= LONGEST_STATE).and_then(|s| std::str::from_utf8(s).ok());
    Span {
        trace_id: chosen.trace.to_be_bytes().to_vec(),
        span_id: chosen.span.to_be_bytes().to_vec(),
        parent_span_id: chosen.parent.map(|span| span.to_be_bytes().to_vec()).unwrap_or_default(),
        trace_state: state.unwrap_or_default().to_owned(),
        flags: if chosen.parent.is_some() { FLAGS } else { 1 },
        name: "latchkey.check".to_owned(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: end.saturating_sub(latchkey_core::time::nanos(took)),
        end_time_unix_nano: end,
        attributes: attributes(answered),
        status: match answered.outcome {
            Outcome::Troubled(_) => Some(Status { code: StatusCode::Error.into(), ..Status::default() }),
            Outcome::Allowed | Outcome::Denied(_) | Outcome::Unreadable => None,
        },
        ..Span::default()
    }
}

fn attributes(answered: &Answered<'_>) -> Vec<KeyValue> {
    let seen = answered.seen;
    let mut all = vec![
        text("latchkey.door", answered.door.name()),
        text("latchkey.decision", answered.outcome.decision()),
        text("latchkey.reason", answered.outcome.reason()),
        text("latchkey.source", answered.source().name()),
    ];
    let rpc = match answered.door {
        Door::Envoy => Some("envoy.service.auth.v3.Authorization/Check"),
        Door::Native => Some("latchkey.v1.CheckService/Check"),
        Door::Rest => None,
    };
    if let Some(rpc) = rpc {
        all.extend([text("rpc.system.name", "grpc"), text("rpc.method", rpc)]);
    }
    if let Outcome::Troubled(_) = answered.outcome {
        all.push(text("error.type", answered.outcome.reason()));
    }
    if !answered.method.is_empty() {
        all.push(text("http.request.method", method(answered.method)));
    }
    if let Some(denial) = &seen.shadow {
        all.push(text("latchkey.shadow.reason", denial.reason.name()));
    }
    if let Some(route) = answered.route() {
        all.extend([text("latchkey.route", route), text("http.route", route)]);
    }
    if let Some(policy) = &seen.policy {
        all.push(text("latchkey.profile", &*policy.name));
    }
    if let Some(who) = &seen.principal {
        all.push(text("latchkey.tenant", &*who.tenant.slug));
        all.push(text("latchkey.subject.type", who.subject_type()));
        all.push(text("latchkey.subject.id", who.subject_id()));
        all.extend(who.environment().map(|name| text("latchkey.environment", name)));
    }
    let envoys = answered.sent.envoy_request_id().and_then(|id| std::str::from_utf8(id).ok());
    for (name, id) in [
        ("latchkey.request_id", answered.request_id),
        ("latchkey.envoy_request_id", envoys.unwrap_or_default()),
    ] {
        if !id.is_empty() {
            all.push(text(name, cut(id)));
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
    id.get(..id.len().min(LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_thinks_of_is_not_told_at_length() {
        assert_eq!((method("GET"), method("get"), method("sk_live_x")), ("GET", "_OTHER", "_OTHER"));
        assert_eq!(cut(&"x".repeat(300)).len(), LONGEST);
        assert_eq!(cut("r-1"), "r-1");
    }
}
