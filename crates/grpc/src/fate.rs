//! What becomes of what goes wrong, for every call alike: a refusal tells its sender what to mend, an outage
//! when to try again, a fault nothing. Every kind has its line here, and a new kind doesn't compile without one.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_core::trouble::{Failure, Refusal, Trouble, Violation};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Who says the reasons in `ErrorInfo`.
const DOMAIN: &str = "latchkey";

/// What the details may weigh. They travel in trailers, of which a client takes 8 KiB or so, in base64.
const MOST_DETAILS: usize = 4 * 1024;

/// A management call that failed.
pub(crate) fn failed(failure: Failure) -> Status {
    match failure {
        Failure::Refused(refusal) => refused(&refusal),
        Failure::Trouble(trouble) => troubled(trouble),
    }
}

/// A call that its sender can mend.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::Invalid(violations) => invalid(violations),
        Refusal::NotFound(what) => with(Code::NotFound, message, info("NOT_FOUND", &[("resource", what)])),
        Refusal::AlreadyExists(_) => with(Code::AlreadyExists, message, info("ALREADY_EXISTS", &[])),
        Refusal::Precondition(_) => with(Code::FailedPrecondition, message, info("FAILED_PRECONDITION", &[])),
        Refusal::Unauthenticated(_) => with(Code::Unauthenticated, message, info("UNAUTHENTICATED", &[])),
        Refusal::Forbidden(_) => with(Code::PermissionDenied, message, info("PERMISSION_DENIED", &[])),
        Refusal::Busy(_) => {
            let mut details = info("BUSY", &[]);
            details.set_retry_info(Some(Duration::from_secs(1)));
            with(Code::ResourceExhausted, message, details)
        }
    }
}

/// A call that nobody could decide. A fault's text goes to our log and nowhere else.
pub(crate) fn troubled(trouble: Trouble) -> Status {
    match trouble {
        Trouble::Outage { what, retry } => {
            let mut details = info("OUTAGE", &[("what", what)]);
            details.set_retry_info(Some(retry));
            with(Code::Unavailable, format!("{what} did not answer"), details)
        }
        Trouble::Fault(text) => {
            tracing::error!(target: "latchkey::fault", "{text}");
            Status::internal("internal error")
        }
    }
}

/// Fields that are wrong: all of them, as far as trailers can carry them.
pub(crate) fn invalid(violations: &[Violation]) -> Status {
    let mut details = info("INVALID_ARGUMENT", &[]);
    let mut weight = 0;
    for (told, Violation { field, description }) in violations.iter().enumerate() {
        weight += field.len() + description.len() + 8;
        if weight > MOST_DETAILS {
            details.add_bad_request_violation("", format!("and {} more", violations.len() - told));
            break;
        }
        details.add_bad_request_violation(field, description);
    }
    with(Code::InvalidArgument, sentence(violations), details)
}

/// The first wrong field, and how many others there are.
pub(crate) fn sentence(violations: &[Violation]) -> String {
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
    let mut details = info("NOT_READY", &[]);
    details.set_retry_info(Some(Duration::from_secs(1)));
    with(Code::Unavailable, "the service is starting".to_owned(), details)
}

/// A call that the contract doesn't have.
pub(crate) fn unknown() -> Status {
    with(Code::Unimplemented, "there is no such method".to_owned(), info("UNIMPLEMENTED", &[]))
}

fn info(reason: &str, metadata: &[(&str, &str)]) -> ErrorDetails {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

fn with(code: Code, message: String, details: ErrorDetails) -> Status {
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
            (Refusal::field("name", "x"), Code::InvalidArgument, "INVALID_ARGUMENT"),
            (Refusal::NotFound("key"), Code::NotFound, "NOT_FOUND"),
            (Refusal::AlreadyExists("x".into()), Code::AlreadyExists, "ALREADY_EXISTS"),
            (Refusal::Precondition("x".into()), Code::FailedPrecondition, "FAILED_PRECONDITION"),
            (Refusal::Unauthenticated("x"), Code::Unauthenticated, "UNAUTHENTICATED"),
            (Refusal::Forbidden("x".into()), Code::PermissionDenied, "PERMISSION_DENIED"),
        ] {
            let status = failed(refusal.into());
            assert_eq!((status.code(), reason(&status).as_str()), (code, name));
        }
    }

    #[test]
    fn an_outage_says_when_to_try_again() {
        let status = troubled(Trouble::database());
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "OUTAGE"));
        let details = status.get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_fault_says_nothing() {
        let status = troubled(Trouble::Fault("row 7 of keys is spoiled".into()));
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        assert!(status.details().is_empty());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let status = invalid(&[Violation::new("name", "too long"), Violation::new("kind", "unknown")]);
        let details = status.get_error_details();
        let fields: Vec<&str> =
            details.bad_request().unwrap().field_violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["name", "kind"]);
        assert_eq!(status.message(), "name: too long (and 1 more)");
    }

    #[test]
    fn a_thousand_wrong_fields_still_fit_into_trailers() {
        let many: Vec<Violation> =
            (0..1_000).map(|n| Violation::new(format!("keys[{n}].name"), "x".repeat(50))).collect();
        let status = invalid(&many);
        assert!(status.details().len() < 6 * 1024);
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let last = violations.last().unwrap();
        assert_eq!(last.description, format!("and {} more", 1_000 - (violations.len() - 1)));
    }
}
