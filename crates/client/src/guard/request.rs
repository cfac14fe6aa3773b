//! Conversion of an HTTP request into a `CheckRequest`. A request that cannot be described unambiguously is denied
//! here: one with two different credentials, because it is undefined which one the caller means, and one whose target
//! is no path, such as those of `CONNECT host:443` and `OPTIONS *`, because no route can have it.

use axum::extract::OriginalUri;
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use latchkey_proto::v1::{CheckRequest, CheckResponse, Decision, Principal, Reason};
use prost::Message as _;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Longest identifier of a request that a Check takes, in bytes.
const MAX_REQUEST_ID: usize = 128;
/// Longest credential, path and method that a Check takes, in bytes.
const MAX_CREDENTIAL: usize = 8 * 1024;
const MAX_PATH: usize = 8 * 1024;
const MAX_METHOD: usize = 128;
/// Longest Check that is sent, in bytes: a service may take further values from the request.
const MAX_CHECK: usize = 64 * 1024;
const NO_PATH: &str = "The request has no path.";

/// Returns the Check of an HTTP request, or the denial of one without a path, or whose credential is ambiguous or not
/// readable.
pub(super) fn from_parts(parts: &Parts) -> Result<CheckRequest, Box<CheckResponse>> {
    let path = path(parts);
    if !path.starts_with('/') {
        return Err(denial(Reason::RouteNotAllowed, NO_PATH));
    }
    let Some(credential) = credential(parts) else {
        let text = "The request has more than one credential or an unreadable one.";
        return Err(denial(Reason::AmbiguousCredential, text));
    };
    Ok(CheckRequest {
        credential,
        method: parts.method.as_str().to_owned(),
        path: path.to_owned(),
        request_id: request_id(parts).unwrap_or_default().to_owned(),
        ..CheckRequest::default()
    })
}

/// Returns the path that the client sent. A router of axum removes the prefix below which another one is nested from the
/// request's URI, and keeps the whole one as an extension.
fn path(parts: &Parts) -> &str {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0).path()
}

/// Completes a Check that the service may have changed: one about scopes alone has no path, and any other one without a
/// path is denied. So is one with a value that is too long: its transport could exceed the deadline, which is a sign of an outage.
pub(super) fn finish(mut check: CheckRequest) -> Result<CheckRequest, Box<CheckResponse>> {
    if check.scopes_only {
        check.path.clear();
    } else if check.path.is_empty() {
        return Err(denial(Reason::RouteNotAllowed, NO_PATH));
    }
    match excess(&check) {
        Some((reason, message)) => Err(denial(reason, message)),
        None => Ok(check),
    }
}

/// Returns the reason and the text of the denial of a Check with a value that is too long. A query does not count.
fn excess(check: &CheckRequest) -> Option<(Reason, &'static str)> {
    let path = check.path.split('?').next().unwrap_or_default();
    if path.len() > MAX_PATH || check.method.len() > MAX_METHOD {
        return Some((Reason::MalformedRequest, "The path or the method of the request is too long."));
    }
    if check.credential.len() > MAX_CREDENTIAL {
        return Some((Reason::InvalidCredential, "The credential is not valid."));
    }
    let is_long = check.encoded_len() > MAX_CHECK;
    is_long.then_some((Reason::MalformedRequest, "The values of the request are too long."))
}

fn denial(reason: Reason, message: &str) -> Box<CheckResponse> {
    let (decision, reason) = (Decision::Deny.into(), reason.into());
    Box::new(CheckResponse { decision, reason, message: message.to_owned(), ..CheckResponse::default() })
}

/// Returns the identifier that the client sent, if it is the only one and a Check can carry it; the server makes one otherwise.
fn request_id(parts: &Parts) -> Option<&str> {
    let mut all = parts.headers.get_all("x-request-id").iter();
    let sent = all.next()?.to_str().ok()?;
    Some(sent)
        .filter(|_| all.next().is_none())
        .filter(|id| id.len() <= MAX_REQUEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Returns the credential, an empty text if there is none, and `None` for two different ones or an unreadable one.
fn credential(parts: &Parts) -> Option<String> {
    let mut found = "";
    for name in [AUTHORIZATION, API_KEY] {
        for value in parts.headers.get_all(&name) {
            let value = value_of(&name, value.to_str().ok()?)?;
            if !found.is_empty() && !value.is_empty() && found != value {
                return None;
            }
            found = if value.is_empty() { found } else { value };
        }
    }
    Some(found.to_owned())
}

/// Returns the credential in the value of a header; an empty text if it has none, as an `Authorization` of another scheme
/// than Bearer, and `None` if a Bearer credential may follow another scheme.
fn value_of<'a>(name: &HeaderName, value: &'a str) -> Option<&'a str> {
    let value = value.trim();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim());
    }
    if *name == API_KEY || rest.is_empty() {
        return Some(value);
    }
    let is_bearer =
        |part: &str| part.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("bearer"));
    if value.split(',').any(is_bearer) { None } else { Some("") }
}

/// Removes the credentials and any earlier `Principal`, which the protected service must not see.
pub(super) fn remove_credentials(parts: &mut Parts) {
    parts.headers.remove(AUTHORIZATION);
    parts.headers.remove(API_KEY);
    parts.extensions.remove::<Principal>();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential_of(headers: &[(&str, &str)]) -> Option<String> {
        let mut request = http::Request::get("/things?x=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let request = from_parts(&parts).ok()?;
        Some(format!("{} {} {}", request.method, request.path, request.credential))
    }

    fn check_of(request: http::request::Builder) -> Result<CheckRequest, Reason> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        from_parts(&parts).and_then(finish).map_err(|denied| denied.reason())
    }

    #[test]
    fn a_request_without_a_path_is_denied_without_a_check() {
        let connect = http::Request::builder().method("CONNECT").uri("upstream:443");
        assert_eq!(check_of(connect), Err(Reason::RouteNotAllowed));
        assert_eq!(check_of(http::Request::get("http://host")).unwrap().path, "/");
        assert_eq!(check_of(http::Request::options("*")), Err(Reason::RouteNotAllowed));
        let cleared = CheckRequest { path: String::new(), ..CheckRequest::default() };
        assert_eq!(finish(cleared).map_err(|denied| denied.reason()), Err(Reason::RouteNotAllowed));
        let only = CheckRequest { scopes_only: true, path: "/x".into(), ..CheckRequest::default() };
        assert_eq!(finish(only).unwrap().path, "");
    }

    #[test]
    fn a_value_that_is_too_long_is_denied_without_a_check() {
        let check = |credential: usize, path: &str, method: usize| {
            let (credential, method) = ("k".repeat(credential), "M".repeat(method));
            let check = CheckRequest { credential, path: path.to_owned(), method, ..CheckRequest::default() };
            finish(check).err().map(|denied| denied.reason())
        };
        let path = format!("/{}", "p".repeat(8 * 1024 - 1));
        assert_eq!(check(8 * 1024, &path, 128), None);
        assert_eq!(check(0, &format!("{path}?{path}"), 0), None, "a query is cut off");
        assert_eq!(check(8 * 1024 + 1, "/", 3), Some(Reason::InvalidCredential));
        assert_eq!(check(0, &format!("{path}p"), 3), Some(Reason::MalformedRequest));
        assert_eq!(check(0, "/", 129), Some(Reason::MalformedRequest));
        let resource = [("merchant".to_owned(), "m".repeat(MAX_CHECK))].into();
        let check = CheckRequest { path: "/".to_owned(), resource, ..CheckRequest::default() };
        assert_eq!(finish(check).unwrap_err().reason(), Reason::MalformedRequest);
    }

    #[test]
    fn the_path_is_the_one_that_the_client_sent() {
        let nested = |original: &str| {
            check_of(http::Request::get("/healthz").extension(OriginalUri(original.parse().unwrap())))
                .map(|check| check.path)
        };
        assert_eq!(nested("/admin/healthz?x=1").as_deref(), Ok("/admin/healthz"));
        assert_eq!(nested("http://host/admin/healthz").as_deref(), Ok("/admin/healthz"));
        assert_eq!(nested("host:443"), Err(Reason::RouteNotAllowed));
    }

    #[test]
    fn an_identifier_that_a_check_cannot_carry_is_left_out() {
        let with =
            |id: &str| check_of(http::Request::get("/").header("x-request-id", id)).unwrap().request_id;
        assert_eq!(with("r-1"), "r-1");
        assert_eq!(with(&"x".repeat(128)).len(), 128);
        for sent in ["x".repeat(129).as_str(), "a b", "a\tb", "\u{e9}"] {
            assert_eq!(with(sent), "", "{sent:?}");
        }
        let two = http::Request::get("/").header("x-request-id", "r-1").header("x-request-id", "r-2");
        assert_eq!(check_of(two).unwrap().request_id, "");
    }

    #[test]
    fn both_headers_are_read_and_two_different_values_are_rejected() {
        assert_eq!(credential_of(&[]).as_deref(), Some("GET /things "));
        assert_eq!(credential_of(&[("authorization", "bearer  k")]).as_deref(), Some("GET /things k"));
        assert_eq!(
            credential_of(&[("x-api-key", "k"), ("authorization", "Bearer k")]).as_deref(),
            Some("GET /things k")
        );
        for other in ["Basic YTpi", "Bearer", "bearer ", "", "Digest a=b, c=d"] {
            let both = credential_of(&[("x-api-key", "k"), ("authorization", other)]);
            assert_eq!(both.as_deref(), Some("GET /things k"), "{other:?}");
            assert_eq!(
                credential_of(&[("authorization", other)]).as_deref(),
                Some("GET /things "),
                "{other:?}"
            );
        }
        assert_eq!(credential_of(&[("authorization", "k")]).as_deref(), Some("GET /things k"));
        assert_eq!(credential_of(&[("authorization", "Basic YTpi, Bearer k")]), None);
        assert_eq!(credential_of(&[("x-api-key", "k"), ("x-api-key", "l")]), None);
        assert_eq!(credential_of(&[("x-api-key", "k"), ("authorization", "Bearer l")]), None);
    }
}
