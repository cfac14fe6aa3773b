//! Event of a decision, for the observer and for the log at level debug. It names the caller and the request, but
//! never contains the credential or the query string, which may hold one. A disabled log costs one comparison.

use http::HeaderMap;
use latchkey_core::decision::DecisionContext;
use latchkey_core::observer::{CheckEvent, CheckObserver, RequestMetadata};
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

    fn metadata_or_header(&self, name: &str) -> Option<&[u8]> {
        self.metadata.get(name).map(http::HeaderValue::as_bytes).or_else(|| self.header(name))
    }
}

impl RequestMetadata for RequestHeaders<'_> {
    fn traceparent(&self) -> Option<&[u8]> {
        self.metadata_or_header("traceparent")
    }

    fn tracestate(&self) -> Option<&[u8]> {
        self.metadata_or_header("tracestate")
    }

    fn envoy_request_id(&self) -> Option<&[u8]> {
        self.header("x-request-id")
    }
}

/// Emits the event of a decision.
pub(crate) fn emit(observer: &dyn CheckObserver, event: &CheckEvent<'_>) {
    if tracing::enabled!(target: TARGET, Level::DEBUG) {
        log(event);
    }
    observer.on_check(event);
}

fn log(event: &CheckEvent<'_>) {
    let DecisionContext { principal, policy, .. } = event.context;
    let sent = event.metadata.envoy_request_id().and_then(|id| std::str::from_utf8(id).ok());
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        request_id = ?event.request_id,
        envoy_request_id = ?sent.unwrap_or_default(),
        decision = event.outcome.decision(),
        reason = event.outcome.reason(),
        shadow = event.context.shadow.as_ref().map(|denial| denial.reason.name()),
        tenant = principal.as_ref().map(|p| &*p.tenant.slug),
        subject = principal.as_ref().map(latchkey_core::principal::Principal::subject_id),
        profile = policy.as_ref().map(|p| &*p.name),
        route = event.route(),
        method = ?event.method,
        source = event.source().name(),
    );
}
