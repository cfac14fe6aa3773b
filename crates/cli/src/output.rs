//! Output: tables for people, the canonical JSON of protobuf for programs. Control characters in received text are
//! escaped.

mod age;
mod audit;
mod colour;
mod deletion;
mod json;
mod operator;
mod own_limits;
mod profile;
mod shadow;
mod table;
mod text;
mod token;
mod usage;
mod usage_report;
mod wrap;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use clap::ValueEnum;

use crate::exit::CliError;
pub(crate) use colour::{Tone, init_style};
pub(crate) use json::{NamedMessage, from_json};
pub(crate) use operator::operator_table;
pub(crate) use profile::diff_from_server;
pub(crate) use table::{fields, rows};
pub(crate) use text::{TextOutput, key_table, pairs, pluralize, sanitize, successor, timestamp, words};
pub(crate) use usage::{replaces, still_in_use};
pub(crate) use wrap::{error_width, output_width, wrap};

/// Format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    Text,
    /// JSON for programs: the protobuf message as grpcurl prints it, or an object with the same data as the text.
    Json,
}

/// Prints a message in this format.
pub(crate) fn show<M: NamedMessage + TextOutput>(format: Format, message: &M) -> Result<(), CliError> {
    match format {
        Format::Text => print(&message.text()),
        Format::Json => print(&json::of(message)?),
    }
}

/// Prints a value that is not a message of the API: as JSON, or as the text for people.
pub(crate) fn show_value(
    format: Format,
    value: &serde_json::Value,
    text: impl FnOnce() -> String,
) -> Result<(), CliError> {
    match format {
        Format::Text => print(&text()),
        Format::Json => print(&json::escaped(&value.to_string())),
    }
}

/// Prints a message with a secret that is not shown again: the whole message, or only the secret without a format. If
/// the output can't be written, the secret is lost, and the error has the remedy. So it has if only the secret is wanted and
/// the server did not send it, because an earlier call created the key.
pub(crate) fn show_once<M: NamedMessage + TextOutput>(
    format: Option<Format>,
    message: &M,
    secret: &str,
    remedy: impl FnOnce() -> String,
) -> Result<(), CliError> {
    let text = match format {
        Some(Format::Text) => message.text(),
        Some(Format::Json) => json::of(message)?,
        None => secret.to_owned(),
    };
    if secret.is_empty() {
        return match format {
            Some(_) => print(&text),
            None => Err(CliError::Conflict(format!(
                "the key was created by an earlier call with this idempotency key, and its value is not shown again; if it is \
                 lost, {}",
                remedy()
            ))),
        };
    }
    write(&text)
        .map_err(|error| CliError::Local(format!("standard output can't be written: {error}; {}", remedy())))
}

/// Checks that the value of [`show_once`] will not be lost, before the server creates it: standard output must not be closed.
pub(crate) fn refuse_closed_output() -> Result<(), CliError> {
    if is_closed(io::stdout().as_fd()).unwrap_or(false) {
        return Err(CliError::Usage(
            "standard output is closed, or is /dev/null opened for reading and writing, and the value is shown only once: \
             write the output to a file or a pipe; nothing was created"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Returns whether an output may have been closed when the program started. Rust's runtime opens `/dev/null` for reading and
/// writing in its place, as some programs do for an output that they discard, while a shell opens it for writing alone.
fn is_closed(output: BorrowedFd<'_>) -> io::Result<bool> {
    let mut output = File::from(output.try_clone_to_owned()?);
    let device = output.metadata()?;
    let is_null = device.file_type().is_char_device() && device.rdev() == fs::metadata("/dev/null")?.rdev();
    Ok(is_null && output.read(&mut [0]).is_ok())
}

/// Prints a message as one line of JSON. Fails if the reader has ended.
pub(crate) fn line<M: NamedMessage>(message: &M) -> Result<(), CliError> {
    match write(&json::to_json_line(message)?) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CliError::ReaderEnded),
        written => Ok(written?),
    }
}

/// Prints a text and a line end to standard output. A reader that has ended does not change the result of the command.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    out.flush()
}

/// Prints a note for people to standard error.
pub(crate) fn note(text: &str) {
    // The reader is gone, and an error message would have no reader either.
    drop(writeln!(io::stderr(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_output_that_the_runtime_opened_is_closed() {
        let open = |path: &str, read| fs::OpenOptions::new().read(read).write(true).open(path).unwrap();
        assert!(is_closed(open("/dev/null", true).as_fd()).unwrap());
        assert!(!is_closed(open("/dev/null", false).as_fd()).unwrap());
        assert!(!is_closed(open("/dev/full", true).as_fd()).unwrap());
        assert!(!is_closed(tempfile::tempfile().unwrap().as_fd()).unwrap());
        assert!(!is_closed(io::pipe().unwrap().1.as_fd()).unwrap());
    }
}
