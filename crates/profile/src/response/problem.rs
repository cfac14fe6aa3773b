//! Default response to a denied request: problem details (RFC 9457), with a challenge (RFC 9110 section 11.6.1,
//! RFC 6750 section 3) or the time to wait.

use std::fmt::Write as _;
use std::time::Duration;

use latchkey_core::decision::Denial;
use latchkey_core::limit::ceil_seconds;
use latchkey_core::reason::Reason;

use super::DenyResponse;
use crate::profile::Profile;
use crate::rate_limit_view::RateLimitView;
use crate::source::Source;
use crate::template::RenderInput;

/// Returns the response to a denied request for which no profile is known.
#[must_use]
pub fn default_denial(denial: &Denial, request_id: &str) -> DenyResponse<'static> {
    problem_details(denial, request_id, Challenge { scheme: BEARER, realm: "latchkey" }, Some(Duration::ZERO))
}

/// Scheme of the challenge where the credential is a Bearer token (RFC 6750).
const BEARER: &str = "Bearer";
/// Scheme of the challenge where no source of the credential has one. It is not registered; RFC 9110 section 11.6.1
/// requires a challenge, and one for another scheme would mislead clients.
const API_KEY: &str = "ApiKey";

/// Challenge of a 401.
#[derive(Clone, Copy)]
pub(super) struct Challenge<'a> {
    pub(super) scheme: &'a str,
    pub(super) realm: &'a str,
}

impl Profile {
    /// Returns the scheme of the challenge in a 401: that of the first source of the credential that has one.
    #[must_use]
    pub fn challenge_scheme(&self) -> &str {
        self.rules.credential.sources.iter().find_map(scheme_of).unwrap_or(API_KEY)
    }
}

fn scheme_of(source: &Source) -> Option<&str> {
    match source {
        Source::Scheme(header, scheme) if **header == *"authorization" => Some(scheme),
        Source::Basic(_) => Some("Basic"),
        Source::Scheme(..)
        | Source::Header(_)
        | Source::Subprotocol(_)
        | Source::Query(_)
        | Source::Cookie(_)
        | Source::Body(_) => None,
    }
}

/// Renders problem details for a denial.
pub(super) fn problem_details(
    denial: &Denial,
    request_id: &str,
    challenge: Challenge<'_>,
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
        401 => headers.push(("www-authenticate", challenge.render(disclosed.reason))),
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
        | Reason::RouteNotFound
        | Reason::MethodNotAllowed
        | Reason::RateLimited => denial.clone(),
    }
}

/// Returns the usual HTTP status of a reason.
pub(super) fn status(reason: Reason) -> u16 {
    match reason {
        Reason::RateLimited => 429,
        Reason::RouteNotFound => 404,
        Reason::MethodNotAllowed => 405,
        reason if reason.unauthenticated() => 401,
        _ => 403,
    }
}

/// Returns the title. For "about:blank", it is the phrase of the HTTP status (RFC 9457 section 4.2.1).
fn title(status: u16) -> &'static str {
    match status {
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        _ => "Forbidden",
    }
}

impl Challenge<'_> {
    /// Writes the challenge. That of a Bearer token has an error code, unless the request had no credential (RFC 6750
    /// section 3.1).
    fn render(self, reason: Reason) -> String {
        let Self { scheme, realm } = self;
        let error = if scheme.eq_ignore_ascii_case(BEARER) { error_code(reason) } else { "" };
        format!("{scheme} realm=\"{realm}\"{error}")
    }
}

fn error_code(reason: Reason) -> &'static str {
    match reason {
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
        | Reason::RouteNotFound
        | Reason::MethodNotAllowed
        | Reason::RateLimited => ", error=\"invalid_token\"",
    }
}

/// Returns the time to wait until the most restrictive bucket has room.
///
/// Returns `None` if no wait helps.
pub(super) fn retry_after(input: &RenderInput<'_>) -> Option<Duration> {
    RateLimitView::of(input).map_or(Some(Duration::ZERO), |rate_limit_view| rate_limit_view.retry)
}
