//! Default response to a denied request: problem details (RFC 9457), with a challenge (RFC 9110 section 11.6.1,
//! RFC 6750 section 3) or the time to wait.

use std::fmt::Write as _;
use std::time::Duration;

use latchkey_core::decision::Denial;
use latchkey_core::limit::ceil_seconds;
use latchkey_core::reason::Reason;

use super::DenyResponse;
use crate::rate_limit_view::RateLimitView;
use crate::template::RenderInput;

/// Returns the response to a denied request for which no profile is known.
#[must_use]
pub fn default_denial(denial: &Denial, request_id: &str) -> DenyResponse<'static> {
    problem_details(denial, request_id, "latchkey", Some(Duration::ZERO))
}

/// Renders problem details for a denial.
pub(super) fn problem_details(
    denial: &Denial,
    request_id: &str,
    realm: &str,
    retry: Option<Duration>,
) -> DenyResponse<'static> {
    let disclosed = disclosed(denial);
    let status = status(disclosed.reason);
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut body = format!(r#"{{"type":"about:blank","title":{},"status":{status}"#, text(title(status)));
    let _ = write!(body, r#","detail":{},"reason":"{}""#, text(&disclosed.message), disclosed.reason);
    let _ = write!(body, r#","request_id":{}}}"#, text(request_id));
    let mut headers = vec![("content-type", "application/problem+json".to_owned())];
    match status {
        401 => headers.push(("www-authenticate", challenge(disclosed.reason, realm))),
        429 => {
            let wait = retry.map(|wait| ceil_seconds(wait).max(1).to_string());
            headers.extend(wait.map(|wait| ("retry-after", wait)));
        }
        _ => {}
    }
    DenyResponse { status, headers, body, message: disclosed.message }
}

/// Returns the denial as the client sees it. A revoked or disabled key looks like an unknown one, unless the document
/// says otherwise; only the logs show the difference.
pub(super) fn disclosed(denial: &Denial) -> Denial {
    match denial.reason {
        Reason::Revoked | Reason::Disabled => Denial::new(Reason::InvalidCredential),
        Reason::MissingCredential
        | Reason::AmbiguousCredential
        | Reason::InvalidCredential
        | Reason::Expired
        | Reason::TenantRequired
        | Reason::TenantMismatch
        | Reason::TenantSuspended
        | Reason::EnvironmentMismatch
        | Reason::InsufficientScope
        | Reason::ResourceMismatch
        | Reason::NetworkNotAllowed
        | Reason::RouteNotAllowed
        | Reason::HostNotAllowed
        | Reason::RateLimited => denial.clone(),
    }
}

/// Returns the usual HTTP status of a reason.
pub(super) fn status(reason: Reason) -> u16 {
    if reason == Reason::RateLimited {
        429
    } else if reason.unauthenticated() {
        401
    } else {
        403
    }
}

/// Returns the title. For "about:blank", it is the phrase of the HTTP status (RFC 9457 section 4.2.1).
fn title(status: u16) -> &'static str {
    match status {
        401 => "Unauthorized",
        429 => "Too Many Requests",
        _ => "Forbidden",
    }
}

/// Returns the challenge. It has no error code if the request had no credential (RFC 6750 section 3.1).
fn challenge(reason: Reason, realm: &str) -> String {
    let error = match reason {
        Reason::MissingCredential | Reason::TenantRequired => "",
        Reason::AmbiguousCredential => ", error=\"invalid_request\"",
        Reason::InvalidCredential
        | Reason::Revoked
        | Reason::Expired
        | Reason::Disabled
        | Reason::TenantMismatch
        | Reason::TenantSuspended
        | Reason::EnvironmentMismatch
        | Reason::InsufficientScope
        | Reason::ResourceMismatch
        | Reason::NetworkNotAllowed
        | Reason::RouteNotAllowed
        | Reason::HostNotAllowed
        | Reason::RateLimited => ", error=\"invalid_token\"",
    };
    format!("Bearer realm=\"{realm}\"{error}")
}

/// Returns the time to wait until the most restrictive bucket has room.
///
/// Returns `None` if no wait helps.
pub(super) fn retry_after(input: &RenderInput<'_>) -> Option<Duration> {
    RateLimitView::of(input).map_or(Some(Duration::ZERO), |rate_limit_view| rate_limit_view.retry)
}
