//! What becomes of what goes wrong, for every call alike: a refusal tells its sender what to mend, an outage
//! when to try again, a fault nothing. Every kind has its line here, and a new kind doesn't compile without one.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_core::error::{FieldViolation, ManagementError, RequestError, SystemError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Who says the reasons in `ErrorInfo`.
const ERROR_DOMAIN: &str = "latchkey";

/// What the details may weigh. They travel in trailers, of which a client takes 8 KiB or so, in base64.
const MAX_DETAIL_BYTES: usize = 4 * 1024;

/// A management call that failed.
pub(crate) fn error_to_status(failure: ManagementError) -> Status {
    match failure {
        ManagementError::Request(refusal) => request_error_to_status(&refusal),
        ManagementError::System(trouble) => system_error_to_status(trouble),
    }
}

/// A call that its sender can mend.
pub(crate) fn request_error_to_status(refusal: &RequestError) -> Status {
    let message = refusal.to_string();
    match refusal {
        RequestError::InvalidArgument(violations) => violations_to_status(violations),
        RequestError::NotFound(what) => {
            status_with(Code::NotFound, message, error_details("NOT_FOUND", &[("resource", what)]))
        }
        RequestError::AlreadyExists(_) => {
            status_with(Code::AlreadyExists, message, error_details("ALREADY_EXISTS", &[]))
        }
        RequestError::FailedPrecondition(_) => {
            status_with(Code::FailedPrecondition, message, error_details("FAILED_PRECONDITION", &[]))
        }
        RequestError::Unauthenticated(_) => {
            status_with(Code::Unauthenticated, message, error_details("UNAUTHENTICATED", &[]))
        }
        RequestError::PermissionDenied(_) => {
            status_with(Code::PermissionDenied, message, error_details("PERMISSION_DENIED", &[]))
        }
        RequestError::ResourceExhausted(_) => {
            let mut details = error_details("BUSY", &[]);
            details.set_retry_info(Some(Duration::from_secs(1)));
            status_with(Code::ResourceExhausted, message, details)
        }
    }
}

/// A call that nobody could decide. A fault's text goes to our log and nowhere else.
pub(crate) fn system_error_to_status(trouble: SystemError) -> Status {
    match trouble {
        SystemError::Unavailable { dependency: what, retry_after: retry } => {
            let mut details = error_details("UNAVAILABLE", &[("what", what)]);
            details.set_retry_info(Some(retry));
            status_with(Code::Unavailable, format!("{what} did not answer"), details)
        }
        SystemError::Internal(text) => {
            tracing::error!(target: "latchkey::internal", "{text}");
            Status::internal("internal error")
        }
    }
}

/// Fields that are wrong: all of them, as far as trailers can carry them.
pub(crate) fn violations_to_status(violations: &[FieldViolation]) -> Status {
    let mut details = error_details("INVALID_ARGUMENT", &[]);
    let mut bytes = 0;
    for (listed, FieldViolation { field, description }) in violations.iter().enumerate() {
        bytes += field.len() + description.len() + 8;
        if bytes > MAX_DETAIL_BYTES {
            details.add_bad_request_violation("", format!("and {} more", violations.len() - listed));
            break;
        }
        details.add_bad_request_violation(field, description);
    }
    status_with(Code::InvalidArgument, summarize_violations(violations), details)
}

/// The first wrong field, and how many others there are.
pub(crate) fn summarize_violations(violations: &[FieldViolation]) -> String {
    match violations {
        [] => "invalid argument".to_owned(),
        [one] => format!("{}: {}", one.field, one.description),
        [first, others @ ..] => {
            format!("{}: {} (and {} more)", first.field, first.description, others.len())
        }
    }
}

/// A call that came before everything was there that it needs.
pub(crate) fn not_ready() -> Status {
    let mut details = error_details("NOT_READY", &[]);
    details.set_retry_info(Some(Duration::from_secs(1)));
    status_with(Code::Unavailable, "the service is starting".to_owned(), details)
}

/// A call that the contract doesn't have.
pub(crate) fn unimplemented() -> Status {
    status_with(
        Code::Unimplemented,
        "there is no such method".to_owned(),
        error_details("UNIMPLEMENTED", &[]),
    )
}

fn error_details(reason: &str, metadata: &[(&str, &str)]) -> ErrorDetails {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata)
}

fn status_with(code: Code, message: String, details: ErrorDetails) -> Status {
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: &Status) -> String {
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.domain, "latchkey");
        info.reason.clone()
    }

    #[test]
    fn each_refusal_has_its_code_and_reason() {
        for (refusal, code, name) in [
            (RequestError::field("name", "x"), Code::InvalidArgument, "INVALID_ARGUMENT"),
            (RequestError::NotFound("key"), Code::NotFound, "NOT_FOUND"),
            (RequestError::AlreadyExists("x".into()), Code::AlreadyExists, "ALREADY_EXISTS"),
            (RequestError::FailedPrecondition("x".into()), Code::FailedPrecondition, "FAILED_PRECONDITION"),
            (RequestError::Unauthenticated("x"), Code::Unauthenticated, "UNAUTHENTICATED"),
            (RequestError::PermissionDenied("x".into()), Code::PermissionDenied, "PERMISSION_DENIED"),
        ] {
            let status = error_to_status(refusal.into());
            assert_eq!((status.code(), reason(&status).as_str()), (code, name));
        }
    }

    #[test]
    fn an_outage_says_when_to_try_again() {
        let status = system_error_to_status(SystemError::database());
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UNAVAILABLE"));
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_fault_says_nothing() {
        let status = system_error_to_status(SystemError::Internal("row 7 of keys is spoiled".into()));
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        assert!(status.details().is_empty());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let status = violations_to_status(&[
            FieldViolation::new("name", "too long"),
            FieldViolation::new("kind", "unknown"),
        ]);
        let details = status.get_error_details();
        let fields: Vec<&str> =
            details.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["name", "kind"]);
        assert_eq!(status.message(), "name: too long (and 1 more)");
    }

    #[test]
    fn a_thousand_wrong_fields_still_fit_into_trailers() {
        let many: Vec<FieldViolation> =
            (0..1_000).map(|n| FieldViolation::new(format!("keys[{n}].name"), "x".repeat(50))).collect();
        let status = violations_to_status(&many);
        assert!(status.details().len() < 6 * 1024);
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let last = violations.last().unwrap();
        assert_eq!(last.description, format!("and {} more", 1_000 - (violations.len() - 1)));
    }
}
