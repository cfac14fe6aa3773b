//! The response that a call gets instead of the service's: for HTTP by status, for gRPC by grpc-status.

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use latchkey_proto::v1::{CheckResponse, Reason};
use tonic::{Code, Status};

pub(super) fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Of a denial; none: there was no one credential to ask about.
pub(super) fn denied<R: Default>(answer: Option<&CheckResponse>, grpc: bool) -> Response<R> {
    let reason = answer.map_or(Reason::AmbiguousCredential, CheckResponse::reason);
    let (status, code) = kind(reason);
    let message = answer.map_or("More than one credential was sent, or an unreadable one.", |a| &a.message);
    let mut response = respond(status, &Status::new(code, message), grpc);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let waits =
        answer.and_then(|answer| answer.rate_limits.iter().map(|limit| limit.retry_after_seconds).max());
    if let Some(waits) = waits.filter(|waits| *waits > 0) {
        headers.insert(RETRY_AFTER, HeaderValue::from(waits));
    }
    response
}

/// Where there is no answer. What kept Latchkey from giving one is nobody's business outside.
pub(super) fn unanswered<R: Default>(_why: &Status, grpc: bool) -> Response<R> {
    respond(StatusCode::SERVICE_UNAVAILABLE, &Status::unavailable("authorization is not available"), grpc)
}

/// 401 where the caller isn't known, 403 where it is known and not allowed. What this version doesn't know is a
/// denial too.
fn kind(reason: Reason) -> (StatusCode, Code) {
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
        _ => (StatusCode::FORBIDDEN, Code::PermissionDenied),
    }
}

fn respond<R: Default>(status: StatusCode, told: &Status, grpc: bool) -> Response<R> {
    let mut response = Response::new(R::default());
    if grpc {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        // A message that can't be a header's value is left out; the code stands.
        if told.add_header(response.headers_mut()).is_err() {
            response.headers_mut().insert("grpc-status", HeaderValue::from(told.code() as i32));
        }
    } else {
        *response.status_mut() = status;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_refuses() {
        for number in 0..64 {
            let Ok(reason) = Reason::try_from(number) else { continue };
            let (status, code) = kind(reason);
            assert!(status.is_client_error() && code != Code::Ok, "{reason:?}");
        }
    }

    #[test]
    fn a_grpc_caller_hears_it_in_grpc() {
        let response: Response<String> = unanswered(&Status::internal("canary"), true);
        assert_eq!(
            (response.status(), &response.headers()["grpc-status"]),
            (StatusCode::OK, &HeaderValue::from_static("14"))
        );
        assert!(!format!("{:?}", response.headers()).contains("canary"));
        let response: Response<String> = denied(None, false);
        assert_eq!(
            (response.status(), &response.headers()[WWW_AUTHENTICATE]),
            (StatusCode::UNAUTHORIZED, &HeaderValue::from_static("Bearer"))
        );
    }
}
