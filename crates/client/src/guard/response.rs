//! Responses that reject a call: an HTTP status, or a `grpc-status` for a gRPC call.

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use latchkey_proto::v1::{CheckResponse, Reason};
use tonic::{Code, Status};

pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Returns the response for a denial.
pub(super) fn denied<R: Default>(check: &CheckResponse, grpc: bool) -> Response<R> {
    let (status, code) = status_of(check.reason());
    let mut response = respond(status, &Status::new(code, &*check.message), grpc);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED
        && let Ok(methods) = HeaderValue::from_str(&check.allowed_methods.join(", "))
    {
        headers.insert(ALLOW, methods);
    }
    // No wait helps a call that a bucket can never hold.
    let never = check.rate_limits.iter().any(|limit| limit.never);
    let retry_after = check.rate_limits.iter().map(|limit| limit.retry_after_seconds).max();
    let retry_after = retry_after.filter(|_| !never);
    if let Some(seconds) = retry_after.filter(|seconds| *seconds > 0) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Returns the response for a call without a decision. It does not contain the cause, which is internal.
pub(super) fn unavailable<R: Default>(grpc: bool) -> Response<R> {
    respond(StatusCode::SERVICE_UNAVAILABLE, &Status::unavailable("authorization is not available"), grpc)
}

/// Returns 401 for an unauthenticated caller, 429 for an exceeded rate limit, 400 for a request that cannot be read, 404 or
/// 405 for a path or method without a route where the profile says so, and 403 for every other denial. A reason that this
/// version does not know is a denial too.
fn status_of(reason: Reason) -> (StatusCode, Code) {
    match reason {
        Reason::MissingCredential
        | Reason::AmbiguousCredential
        | Reason::InvalidCredential
        | Reason::Revoked
        | Reason::Expired
        | Reason::Disabled
        | Reason::TenantRequired
        | Reason::EnvironmentMismatch => (StatusCode::UNAUTHORIZED, Code::Unauthenticated),
        Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted),
        Reason::MalformedRequest => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        Reason::RouteNotFound => (StatusCode::NOT_FOUND, Code::Unimplemented),
        Reason::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented),
        _ => (StatusCode::FORBIDDEN, Code::PermissionDenied),
    }
}

fn respond<R: Default>(http_status: StatusCode, grpc_status: &Status, grpc: bool) -> Response<R> {
    let mut response = Response::new(R::default());
    if grpc {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        // A message that is not a valid header value is left out; the code is always set.
        if grpc_status.add_header(response.headers_mut()).is_err() {
            response.headers_mut().insert("grpc-status", HeaderValue::from(grpc_status.code() as i32));
        }
    } else {
        *response.status_mut() = http_status;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_an_error_status() {
        for number in 0..64 {
            let Ok(reason) = Reason::try_from(number) else { continue };
            let (status, code) = status_of(reason);
            assert!(status.is_client_error() && code != Code::Ok, "{reason:?}");
        }
    }

    #[test]
    fn a_method_that_a_path_does_not_have_is_answered_with_the_others() {
        let check = CheckResponse {
            reason: Reason::MethodNotAllowed.into(),
            allowed_methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            ..CheckResponse::default()
        };
        let response: Response<String> = denied(&check, false);
        assert_eq!(
            (response.status(), &response.headers()[ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("GET, HEAD"))
        );
    }

    #[test]
    fn a_grpc_caller_gets_a_grpc_status() {
        let response: Response<String> = unavailable(true);
        assert_eq!(
            (response.status(), &response.headers()["grpc-status"]),
            (StatusCode::OK, &HeaderValue::from_static("14"))
        );
        let ambiguous =
            CheckResponse { reason: Reason::AmbiguousCredential.into(), ..CheckResponse::default() };
        let response: Response<String> = denied(&ambiguous, false);
        assert_eq!(
            (response.status(), &response.headers()[WWW_AUTHENTICATE]),
            (StatusCode::UNAUTHORIZED, &HeaderValue::from_static("Bearer"))
        );
    }
}
