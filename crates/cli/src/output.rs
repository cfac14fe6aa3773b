//! What is shown: tables for people, the canonical JSON of protobuf for programs. Nothing that came from
//! elsewhere reaches a terminal with control characters in it.

mod age;
mod audit;
mod colour;
mod json;
mod shadow;
mod table;
mod text;
mod token;
mod usage;

use std::io::{self, Write as _};

use clap::ValueEnum;

use crate::exit::Failure;
pub(crate) use colour::{Tone, look};
pub(crate) use json::{Named, from_json};
pub(crate) use table::{fields, rows};
pub(crate) use text::{Shown, amount, clean, listed, moment, pairs, successor, words};
pub(crate) use usage::{replaces, still_in_use};

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// The protobuf message as JSON, as grpcurl prints it.
    Json,
}

/// Shows a message in this format.
pub(crate) fn show<M: Named + Shown>(format: Format, message: &M) -> Result<(), Failure> {
    match format {
        Format::Text => print(&message.text()),
        Format::Json => print(&json::of(message)?),
    }
}

/// Shows a message as one line of JSON, for what is read line by line.
pub(crate) fn line<M: Named>(message: &M) -> Result<(), Failure> {
    print(&json::on_a_line(message)?)
}

/// A line, or a few, on standard output. They end in one line's end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    Ok(out.flush()?)
}

/// A remark beside the output, for people.
pub(crate) fn remark(text: &str) {
    // Nobody is there to be told that nobody is there.
    drop(writeln!(io::stderr(), "{text}"));
}
