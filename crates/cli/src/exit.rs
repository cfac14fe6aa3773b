//! Exit codes and error texts. Every kind of failure has a code of its own, so that scripts need not parse texts.

use std::io::{self, Write as _};
use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::args::OptionNames;
use crate::output::{error_width, sanitize, wrap};

/// Description of the exit codes in `--help`.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done; check: allowed
  1  something failed
  2  the command, a setting or a field of the request is invalid
  3  check: denied
  4  the credential is missing, invalid, or not allowed to do this
  5  not found
  6  the server, or what it needs, can't be reached or did not answer in time
  7  already exists, or is not in a state that allows this

Output on a terminal is coloured; NO_COLOR=1 turns colours off.";

/// Error of a command.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Invalid command line, setting or file.
    Usage(String),
    /// Error on the client's side.
    Local(String),
    /// Denied Check, whose response was already printed.
    Denied,
    /// Findings that were already printed, with the exit code.
    Findings(u8),
    /// Server that can't be reached.
    Unreachable(String),
    /// State of the database, or of another process, that does not allow the command.
    Conflict(String),
    /// Missing credential.
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
            Self::Conflict(_) => 7,
            Self::Rpc(status) => code(status.code()),
        }
    }

    fn text(&self, options: &OptionNames) -> Option<String> {
        match self {
            Self::ReaderEnded | Self::Denied | Self::Findings(_) => None,
            Self::Usage(text)
            | Self::Local(text)
            | Self::Unreachable(text)
            | Self::Conflict(text)
            | Self::Unauthenticated(text) => Some(text.clone()),
            Self::Rpc(status) => Some(format_status(status, options)),
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

/// Returns the text of a status: its name, the reason, and every invalid field.
fn format_status(status: &Status, options: &OptionNames) -> String {
    let reason =
        status.get_details_error_info().map(|info| format!(" ({})", info.reason)).unwrap_or_default();
    let fields: Vec<_> =
        status.get_details_bad_request().into_iter().flat_map(|bad| bad.field_violations).collect();
    // The message repeats the first field.
    let message = if fields.is_empty() { format!(": {}", status.message()) } else { String::new() };
    let first = format!("{}{message}{reason}", name(status.code()));
    let fields = fields.into_iter().map(|wrong| {
        let option = options.of_field(&wrong.field).map(|option| format!(" ({option})")).unwrap_or_default();
        format!("  {}{option}: {}", wrong.field, wrong.description)
    });
    let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let retry = retry.map(|delay| format!("  try again in {delay:?}"));
    [first].into_iter().chain(fields).chain(retry).collect::<Vec<_>>().join("\n")
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "not authenticated",
        Code::PermissionDenied => "not allowed",
        Code::NotFound => "not found",
        Code::InvalidArgument | Code::OutOfRange => "invalid arguments",
        Code::AlreadyExists => "already exists",
        Code::FailedPrecondition | Code::Aborted => "not possible now",
        Code::Unavailable => "unavailable",
        Code::DeadlineExceeded | Code::Cancelled => "no response in time",
        Code::Unimplemented => "not supported by this server",
        Code::ResourceExhausted => "limit exceeded",
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => "internal error of the server",
    }
}

/// Prints an error to standard error, and returns the exit code.
pub(crate) fn fail(failure: &CliError, options: &OptionNames) -> ExitCode {
    if let Some(text) = failure.text(options) {
        // If standard error is closed, the exit code still shows the failure.
        drop(writeln!(io::stderr(), "{}", broken(&text, error_width())));
    }
    ExitCode::from(failure.code())
}

/// Returns an error for people, safe for a terminal, broken where the terminal ends.
fn broken(text: &str, width: Option<usize>) -> String {
    let lines = format!("latchkey: {text}")
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start_matches(' ').len() + 2;
            wrap(&sanitize(line), 0, indent, width)
        })
        .collect::<Vec<_>>();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn every_wrong_field_is_named_and_no_control_character_is_printed() {
        let mut details = ErrorDetails::new();
        details.set_error_info("INVALID_ARGUMENT", "latchkey", std::collections::HashMap::new());
        details.add_bad_request_violation("name", "too long");
        details.add_bad_request_violation("scopes[1]", "\u{1b}[31munknown");
        let status = Status::with_error_details(Code::InvalidArgument, "invalid argument", details);
        let failure = CliError::from(status);
        let text = failure.text(&OptionNames::default()).unwrap();
        assert!(
            text.contains("\n  name: too long\n  scopes[1]: ") && text.contains("(INVALID_ARGUMENT)"),
            "{text}"
        );
        assert_eq!(failure.code(), 2);
        assert!(!text.lines().map(sanitize).any(|line| line.contains('\u{1b}')));
    }

    #[test]
    fn an_error_is_broken_between_words_where_the_terminal_ends() {
        let text =
            "invalid arguments (INVALID_ARGUMENT)\n  scopes[0] (--scope): \"nope\" is not one of things.read";
        assert_eq!(broken(text, None), format!("latchkey: {text}"));
        assert_eq!(
            broken(text, Some(50)),
            "latchkey: invalid arguments (INVALID_ARGUMENT)\n  scopes[0] (--scope): \"nope\" is not one of\n    things.read"
        );
    }

    #[test]
    fn kinds_of_failure_have_their_own_codes() {
        let of = |code| CliError::from(Status::new(code, "")).code();
        assert_eq!((of(Code::Unauthenticated), of(Code::PermissionDenied)), (4, 4));
        assert_eq!((of(Code::NotFound), of(Code::Unavailable), of(Code::AlreadyExists)), (5, 6, 7));
        assert_eq!((CliError::Denied.code(), CliError::ReaderEnded.code()), (3, 0));
        assert_eq!(CliError::Conflict(String::new()).code(), 7);
    }
}
