//! The event of a decision: the witness gets it, and the log has it at debug. It says who asked for what, never
//! the credential, nor a query string, which may hold one; where the log doesn't want it, it costs a comparison.

use http::HeaderMap;
use latchkey_core::decision::Seen;
use latchkey_core::witness::{Answered, Sent, Witness};
use latchkey_profile::Header;
use tracing::Level;

const TARGET: &str = "latchkey::decision";

/// Headers that belong to a Check: the metadata of the call, and the headers of the request that it is about.
/// The metadata has precedence: Envoy puts the trace of its own call there.
pub(crate) struct RequestHeaders<'a> {
    pub(crate) metadata: &'a HeaderMap,
    pub(crate) headers: &'a [Header<'a>],
}

impl RequestHeaders<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|h| h.name == name.as_bytes()).map(|h| h.value)
    }

    fn first(&self, name: &str) -> Option<&[u8]> {
        self.metadata.get(name).map(http::HeaderValue::as_bytes).or_else(|| self.header(name))
    }
}

impl Sent for RequestHeaders<'_> {
    fn traceparent(&self) -> Option<&[u8]> {
        self.first("traceparent")
    }

    fn tracestate(&self) -> Option<&[u8]> {
        self.first("tracestate")
    }

    fn envoy_request_id(&self) -> Option<&[u8]> {
        self.header("x-request-id")
    }
}

/// Emits the event of a decision.
pub(crate) fn emit(witness: &dyn Witness, answered: &Answered<'_>) {
    if tracing::enabled!(target: TARGET, Level::DEBUG) {
        log(answered);
    }
    witness.saw(answered);
}

fn log(answered: &Answered<'_>) {
    let Seen { principal, policy, .. } = answered.seen;
    let sent = answered.sent.envoy_request_id().and_then(|id| std::str::from_utf8(id).ok());
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        request_id = ?answered.request_id,
        envoy_request_id = ?sent.unwrap_or_default(),
        decision = answered.outcome.decision(),
        reason = answered.outcome.reason(),
        shadow = answered.seen.shadow.as_ref().map(|denial| denial.reason.name()),
        tenant = principal.as_ref().map(|p| &*p.tenant.slug),
        subject = principal.as_ref().map(latchkey_core::principal::Principal::subject_id),
        profile = policy.as_ref().map(|p| &*p.name),
        route = answered.route(),
        method = ?answered.method,
        source = answered.source().name(),
    );
}
