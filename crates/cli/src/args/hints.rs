//! Hints in errors about command lines, where the parser knows none.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Returns the error of a command line with a hint, if a file is given without the flag that it needs.
pub(super) fn with_hint(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(file)) = error.get(ContextKind::InvalidArg) else { return error };
    let given = words.iter().position(|word| *word == **file);
    let command = words.iter().position(|word| *word == *"apply");
    if file.starts_with('-') || given.is_none() || command.is_none_or(|command| Some(command) >= given) {
        return error;
    }
    let hint = format!("write -f before a document or a folder: latchkey apply -f {file:?}");
    let _replaced = error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn a_document_without_its_flag_has_a_hint() {
        let text = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            with_hint(Cli::command().try_get_matches_from(&words).unwrap_err(), &words).to_string()
        };
        for line in ["latchkey apply shop.toml", "latchkey --output json apply --yes shop.toml"] {
            assert!(text(line).contains("latchkey apply -f \"shop.toml\""), "{}", text(line));
        }
        for line in ["latchkey apply --yess", "latchkey tenant list shop.toml", "latchkey whoami apply"] {
            assert!(!text(line).contains("write -f"), "{}", text(line));
        }
    }
}
