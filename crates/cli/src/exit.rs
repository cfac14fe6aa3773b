//! Exit codes: every kind of failure has a code of its own, so that scripts need not parse texts.

use std::io::{self, Write as _};
use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::output::sanitize;

/// For `--help`.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done; check: allowed
  1  something failed
  2  the command, a setting or a field of the request is wrong
  3  check: denied
  4  the credential is missing, wrong, or not allowed to do this
  5  there is no such thing
  6  the server, or what it needs, can't be reached or did not answer in time
  7  it exists already, or is not in a state that allows this

Colours are for terminals; NO_COLOR=1 takes them away.";

/// Error of a command.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command itself makes no sense.
    Usage(String),
    /// Error on the client's side.
    Local(String),
    /// The check's answer is no; it has been shown already.
    Denied,
    /// Findings that were already printed; the code says of what kind.
    Findings(u8),
    /// The server can't be reached.
    Unreachable(String),
    /// No credential to call with.
    Unauthenticated(String),
    /// Status from the server.
    Rpc(Box<Status>),
    /// Closed output of a list that is printed as it is read: its reader has ended, and the rest is not wanted.
    ReaderEnded,
}

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        Self::Rpc(Box::new(status))
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Local(error.to_string())
    }
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::ReaderEnded => 0,
            Self::Local(_) => 1,
            Self::Usage(_) => 2,
            Self::Denied => 3,
            Self::Findings(code) => *code,
            Self::Unauthenticated(_) => 4,
            Self::Unreachable(_) => 6,
            Self::Rpc(status) => code(status.code()),
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::ReaderEnded | Self::Denied | Self::Findings(_) => None,
            Self::Usage(text) | Self::Local(text) | Self::Unreachable(text) | Self::Unauthenticated(text) => {
                Some(text.clone())
            }
            Self::Rpc(status) => Some(format_status(status)),
        }
    }
}

fn code(code: Code) -> u8 {
    match code {
        Code::Ok => 0,
        Code::InvalidArgument | Code::OutOfRange => 2,
        Code::Unauthenticated | Code::PermissionDenied => 4,
        Code::NotFound => 5,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => 6,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => 7,
        Code::Unknown | Code::ResourceExhausted | Code::Unimplemented | Code::Internal | Code::DataLoss => 1,
    }
}

/// The server's words: what it is, why, and every field that is wrong.
fn format_status(status: &Status) -> String {
    let reason =
        status.get_details_error_info().map(|info| format!(" ({})", info.reason)).unwrap_or_default();
    let fields: Vec<_> =
        status.get_details_bad_request().into_iter().flat_map(|bad| bad.field_violations).collect();
    // The message repeats the first field.
    let message = if fields.is_empty() { format!(": {}", status.message()) } else { String::new() };
    let first = format!("{}{message}{reason}", name(status.code()));
    let fields = fields.into_iter().map(|wrong| format!("  {}: {}", wrong.field, wrong.description));
    let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let retry = retry.map(|delay| format!("  try again in {delay:?}"));
    [first].into_iter().chain(fields).chain(retry).collect::<Vec<_>>().join("\n")
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "not authenticated",
        Code::PermissionDenied => "not allowed",
        Code::NotFound => "not found",
        Code::InvalidArgument | Code::OutOfRange => "wrong arguments",
        Code::AlreadyExists => "it exists already",
        Code::FailedPrecondition | Code::Aborted => "not possible now",
        Code::Unavailable => "unavailable",
        Code::DeadlineExceeded | Code::Cancelled => "no answer in time",
        Code::Unimplemented => "this server can't do that",
        Code::ResourceExhausted => "too much",
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => "the server failed",
    }
}

/// Says why on standard error, and gives the code to end with.
pub(crate) fn fail(failure: &CliError) -> ExitCode {
    if let Some(text) = failure.text() {
        let lines: Vec<String> = text.lines().map(sanitize).collect();
        // Where standard error is closed, the code alone tells.
        drop(writeln!(io::stderr(), "latchkey: {}", lines.join("\n")));
    }
    ExitCode::from(failure.code())
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn every_wrong_field_is_told_and_no_control_character_gets_out() {
        let mut details = ErrorDetails::new();
        details.set_error_info("INVALID_ARGUMENT", "latchkey", std::collections::HashMap::new());
        details.add_bad_request_violation("name", "too long");
        details.add_bad_request_violation("scopes[1]", "\u{1b}[31munknown");
        let status = Status::with_error_details(Code::InvalidArgument, "invalid argument", details);
        let failure = CliError::from(status);
        let text = failure.text().unwrap();
        assert!(
            text.contains("\n  name: too long\n  scopes[1]: ") && text.contains("(INVALID_ARGUMENT)"),
            "{text}"
        );
        assert_eq!(failure.code(), 2);
        assert!(!text.lines().map(sanitize).any(|line| line.contains('\u{1b}')));
    }

    #[test]
    fn kinds_of_failure_have_their_own_codes() {
        let of = |code| CliError::from(Status::new(code, "")).code();
        assert_eq!((of(Code::Unauthenticated), of(Code::PermissionDenied)), (4, 4));
        assert_eq!((of(Code::NotFound), of(Code::Unavailable), of(Code::AlreadyExists)), (5, 6, 7));
        assert_eq!((CliError::Denied.code(), CliError::ReaderEnded.code()), (3, 0));
    }
}
