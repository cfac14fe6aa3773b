//! Conversion of errors to gRPC statuses, for all calls. A request error says what the caller must correct, an outage
//! says when to retry, and an internal error says nothing. The matches are exhaustive, so that a new kind of error
//! needs a status before it compiles.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_core::error::{FieldViolation, ManagementError, MissingName, RequestError, SystemError};
use latchkey_core::excerpt::shortened;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Domain of the reasons in `ErrorInfo`.
const ERROR_DOMAIN: &str = "latchkey";

/// Largest size of the violations in an error's details. They are sent in trailers, in base64, of which a client
/// accepts about 8 KiB.
const MAX_DETAIL_BYTES: usize = 4 * 1024;
/// Longest path of a field in an error. Paths contain names that the caller chose.
const MAX_FIELD_BYTES: usize = 200;
/// Longest text of an error. Texts repeat values that the caller sent.
const MAX_TEXT_BYTES: usize = 1_000;

/// Returns the status of a management call that failed.
pub(crate) fn error_to_status(error: ManagementError) -> Status {
    match error {
        ManagementError::Request(error) => request_error_to_status(&error),
        ManagementError::System(error) => system_error_to_status(error),
    }
}

/// Returns the status of an error that the caller can correct.
pub(crate) fn request_error_to_status(error: &RequestError) -> Status {
    let message = shortened(&error.to_string(), MAX_TEXT_BYTES);
    match error {
        RequestError::InvalidArgument(violations) => violations_to_status(violations),
        RequestError::NotFound { what, name } => {
            let mut details = error_details("NOT_FOUND", &[("resource", what)]);
            let name = match name {
                MissingName::Written(name) => shortened(name, MAX_FIELD_BYTES),
                MissingName::Malformed(_) | MissingName::Withheld | MissingName::Described(_) => {
                    String::new()
                }
            };
            details.set_resource_info(*what, name, "", message.clone());
            status_with(Code::NotFound, message, details)
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
        RequestError::InvalidLogin => {
            status_with(Code::Unauthenticated, message, error_details("INVALID_LOGIN", &[]))
        }
        RequestError::PermissionDenied(_) => {
            status_with(Code::PermissionDenied, message, error_details("PERMISSION_DENIED", &[]))
        }
        RequestError::ResourceExhausted(_) => exhausted(message, Duration::from_secs(1)),
        RequestError::TooManyCalls { retry_after, .. } => exhausted(message, *retry_after),
    }
}

fn exhausted(message: String, retry_after: Duration) -> Status {
    let mut details = error_details("BUSY", &[]);
    details.set_retry_info(Some(retry_after));
    status_with(Code::ResourceExhausted, message, details)
}

/// Returns the status of an error of the service. The text of an internal error is logged and never sent.
pub(crate) fn system_error_to_status(error: SystemError) -> Status {
    match error {
        SystemError::Unavailable { dependency, problem, retry_after } => {
            let mut details = error_details("UNAVAILABLE", &[("what", dependency)]);
            details.set_retry_info(Some(retry_after));
            status_with(Code::Unavailable, format!("{dependency} {problem}"), details)
        }
        SystemError::Internal(text) => {
            tracing::error!(
                target: "latchkey::internal",
                "a call failed: {text}; the caller gets INTERNAL without the cause"
            );
            Status::internal("internal error")
        }
    }
}

/// Returns the status for invalid fields. It names all of them, as far as they fit into trailers.
pub(crate) fn violations_to_status(violations: &[FieldViolation]) -> Status {
    let mut details = error_details("INVALID_ARGUMENT", &[]);
    let mut bytes = 0;
    for (listed, FieldViolation { field, description }) in violations.iter().enumerate() {
        let (field, description) =
            (shortened(field, MAX_FIELD_BYTES), shortened(description, MAX_TEXT_BYTES));
        bytes += field.len() + description.len() + 8;
        if bytes > MAX_DETAIL_BYTES {
            details.add_bad_request_violation("", format!("and {} more", violations.len() - listed));
            break;
        }
        details.add_bad_request_violation(field, description);
    }
    status_with(Code::InvalidArgument, summarize_violations(violations), details)
}

/// Returns a text with the first invalid field and the number of the others.
pub(crate) fn summarize_violations(violations: &[FieldViolation]) -> String {
    let text = |violation: &FieldViolation| {
        let field = shortened(&violation.field, MAX_FIELD_BYTES);
        format!("{field}: {}", shortened(&violation.description, MAX_TEXT_BYTES))
    };
    match violations {
        [] => "invalid argument".to_owned(),
        [one] => text(one),
        [first, others @ ..] => format!("{} (and {} more)", text(first), others.len()),
    }
}

/// Returns the status of a call that arrived before the replica was ready.
pub(crate) fn not_ready() -> Status {
    let mut details = error_details("NOT_READY", &[]);
    details.set_retry_info(Some(Duration::from_secs(1)));
    status_with(Code::Unavailable, "the service is starting".to_owned(), details)
}

/// Returns the status of a call to an RPC that the contract does not have.
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
    fn each_request_error_has_its_code_and_reason() {
        for (error, code, name) in [
            (RequestError::field("name", "x"), Code::InvalidArgument, "INVALID_ARGUMENT"),
            (RequestError::no_such("key"), Code::NotFound, "NOT_FOUND"),
            (RequestError::AlreadyExists("x".into()), Code::AlreadyExists, "ALREADY_EXISTS"),
            (RequestError::FailedPrecondition("x".into()), Code::FailedPrecondition, "FAILED_PRECONDITION"),
            (RequestError::Unauthenticated("x"), Code::Unauthenticated, "UNAUTHENTICATED"),
            (RequestError::InvalidLogin, Code::Unauthenticated, "INVALID_LOGIN"),
            (RequestError::PermissionDenied("x".into()), Code::PermissionDenied, "PERMISSION_DENIED"),
        ] {
            let status = error_to_status(error.into());
            assert_eq!((status.code(), reason(&status).as_str()), (code, name));
        }
    }

    #[test]
    fn a_missing_object_is_named_in_the_details() {
        let status = error_to_status(RequestError::not_found("tenant", "acme").into());
        assert_eq!(status.message(), "tenant \"acme\" was not found");
        let details = status.get_error_details();
        let info = details.resource_info().unwrap();
        assert_eq!((info.resource_type.as_str(), info.resource_name.as_str()), ("tenant", "acme"));
        let withheld = error_to_status(RequestError::no_such("key").into());
        let details = withheld.get_error_details();
        assert_eq!(details.resource_info().unwrap().resource_name, "");
    }

    #[test]
    fn a_limit_says_when_it_has_room() {
        let retry_after = Duration::from_millis(41_500);
        let status = error_to_status(RequestError::TooManyCalls { message: "too often", retry_after }.into());
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "too often"));
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(retry_after));
    }

    #[test]
    fn an_outage_says_when_to_retry() {
        let status = system_error_to_status(SystemError::database());
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UNAVAILABLE"));
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_database_that_refuses_a_call_is_not_said_to_be_silent() {
        let status =
            system_error_to_status(SystemError::database_refused("refused the call: its disk is full"));
        assert_eq!(status.message(), "the database refused the call: its disk is full");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UNAVAILABLE"));
    }

    #[test]
    fn an_internal_error_does_not_say_its_cause() {
        let status = system_error_to_status(SystemError::Internal("row 7 of keys is corrupt".into()));
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
    fn an_error_of_any_length_fits_into_trailers() {
        let long = "x".repeat(100_000);
        let status = violations_to_status(&[FieldViolation::new(format!("labels[{long}]"), long.clone())]);
        assert!(status.message().len() < 1_500 && status.details().len() < 6 * 1024);
        assert!(status.message().contains("(100000 bytes)"), "{}", status.message());
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations.len(), 1);
        for error in [RequestError::PermissionDenied(long.clone()), RequestError::AlreadyExists(long)] {
            assert!(request_error_to_status(&error).message().len() < 1_500);
        }
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
