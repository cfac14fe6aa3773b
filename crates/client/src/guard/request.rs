//! Conversion of an HTTP request into a `CheckRequest`. A request with two different credentials is rejected, because
//! it is undefined which one the caller means.

use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use latchkey_proto::v1::{CheckRequest, Principal};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Returns the Check of an HTTP request, or `None` if its credential is ambiguous or not readable.
pub(super) fn from_parts(parts: &Parts) -> Option<CheckRequest> {
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Some(CheckRequest {
        credential: credential(parts)?,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        request_id: header("x-request-id").to_owned(),
        ..CheckRequest::default()
    })
}

fn credential(parts: &Parts) -> Option<String> {
    let mut found: Option<&str> = None;
    let plain = parts.headers.get_all(API_KEY).iter();
    for value in parts.headers.get_all(AUTHORIZATION).iter().chain(plain) {
        let value = bearer(value.to_str().ok()?);
        if found.is_some_and(|other| other != value) {
            return None;
        }
        found = Some(value);
    }
    Some(found.unwrap_or_default().to_owned())
}

fn bearer(value: &str) -> &str {
    match value.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer ") => rest.trim(),
        _ => value,
    }
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
        from_parts(&parts)
            .map(|request| format!("{} {} {}", request.method, request.path, request.credential))
    }

    #[test]
    fn both_headers_are_read_and_two_different_values_are_rejected() {
        assert_eq!(credential_of(&[]).as_deref(), Some("GET /things "));
        assert_eq!(credential_of(&[("authorization", "bearer  k")]).as_deref(), Some("GET /things k"));
        assert_eq!(
            credential_of(&[("x-api-key", "k"), ("authorization", "Bearer k")]).as_deref(),
            Some("GET /things k")
        );
        assert_eq!(credential_of(&[("x-api-key", "k"), ("x-api-key", "l")]), None);
        assert_eq!(credential_of(&[("x-api-key", "k"), ("authorization", "Bearer l")]), None);
    }
}
