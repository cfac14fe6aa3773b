//! One event a decision, at debug, for whoever asks why. It says who and what, never the credential, nor a
//! query string, which may hold one; where nobody listens it costs a comparison.

use latchkey_core::decision::{Decision, Seen};
use latchkey_profile::Request;
use tracing::Level;

const TARGET: &str = "latchkey::decision";

/// A decision to tell of.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    /// What was decided.
    pub(crate) decision: &'a Decision,
    /// What was seen on the way.
    pub(crate) seen: &'a Seen,
    /// The request's identifier.
    pub(crate) request_id: &'a str,
}

impl Told<'_> {
    /// `ALLOW` or `DENY`.
    pub(crate) fn decision_name(&self) -> &'static str {
        match self.decision {
            Decision::Allow(_) => "ALLOW",
            Decision::Deny(_) => "DENY",
        }
    }

    /// `OK`, or the denial's reason.
    pub(crate) fn reason_name(&self) -> &'static str {
        match self.decision {
            Decision::Allow(_) => "OK",
            Decision::Deny(denial) => denial.reason.name(),
        }
    }
}

/// Tells of a decision on a request that came through Envoy.
pub(crate) fn decision(told: &Told<'_>, request: &Request<'_>) {
    if tracing::enabled!(target: TARGET, Level::DEBUG) {
        let sent = request.headers.iter().find(|h| h.name == b"x-request-id");
        let sent = sent.and_then(|h| std::str::from_utf8(h.value).ok()).unwrap_or_default();
        event(told, request.method, sent);
    }
}

/// Tells of a decision on a call of our own API.
pub(crate) fn native(told: &Told<'_>, method: &str) {
    if tracing::enabled!(target: TARGET, Level::DEBUG) {
        event(told, method, "");
    }
}

fn event(told: &Told<'_>, method: &str, envoy_request_id: &str) {
    let Seen { principal, policy, route, .. } = told.seen;
    let pattern = policy.as_ref().zip(*route).and_then(|(policy, route)| policy.routes.get(route));
    tracing::event!(
        target: TARGET,
        Level::DEBUG,
        request_id = ?told.request_id,
        envoy_request_id = ?envoy_request_id,
        decision = told.decision_name(),
        reason = told.reason_name(),
        tenant = principal.as_ref().map(|p| &*p.tenant.slug),
        subject = principal.as_ref().map(latchkey_core::principal::Principal::subject_id),
        profile = policy.as_ref().map(|p| &*p.name),
        route = pattern.map(|r| r.pattern.text()),
        method = ?method,
    );
}
