//! Colours for people: on a terminal alone, and not where `NO_COLOR` (<https://no-color.org>) or `TERM=dumb` says that
//! colours are unwanted. They repeat what the words say: no information is in a colour alone. Only the program's own words are
//! coloured.

use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use comfy_table::{Cell, Color};

/// Result of the check for colour support; none before the first check.
static ENABLED: OnceLock<bool> = OnceLock::new();

/// Looks once, at the start, at where the output goes and what the environment says.
pub(crate) fn init_style() {
    let choice = AutoStream::choice(&std::io::stdout());
    // A second look would see the same.
    let _ = ENABLED.set(choice != ColorChoice::Never);
}

fn enabled() -> bool {
    ENABLED.get().is_some_and(|enabled| *enabled)
}

/// Severity of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Look at it.
    Warning,
    /// Bad: denied, revoked or wrong.
    Bad,
}

impl Tone {
    /// Of a step that was passed, or wasn't.
    pub(crate) fn of(passed: bool) -> Self {
        if passed { Self::Good } else { Self::Bad }
    }

    /// Of the state of a key, a tenant, a user, a signing key or a step of the schema.
    fn of_state(state: &str) -> Option<Self> {
        match state.split([',', ' ']).next()? {
            "active" | "signing" | "applied" => Some(Self::Good),
            "disabled" | "expired" | "missing" => Some(Self::Warning),
            "revoked" | "suspended" | "withdrawn" => Some(Self::Bad),
            _ => None,
        }
    }

    /// Wraps a text in the colour, if colours are on.
    pub(crate) fn paint(self, words: &str) -> String {
        if !enabled() {
            return words.to_owned();
        }
        let style = match self {
            Self::Good => AnsiColor::Green,
            Self::Warning => AnsiColor::Yellow,
            Self::Bad => AnsiColor::Red,
        };
        let style = style.on_default();
        format!("{style}{words}{style:#}")
    }
}

/// A table's cell; one that tells a state is in its colour.
pub(super) fn cell(header: &str, text: String) -> Cell {
    let tone = if header == "STATE" && enabled() { Tone::of_state(&text) } else { None };
    let cell = Cell::new(text);
    match tone {
        None => cell,
        Some(Tone::Good) => cell.fg(Color::DarkGreen),
        Some(Tone::Warning) => cell.fg(Color::DarkYellow),
        Some(Tone::Bad) => cell.fg(Color::DarkRed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_by_its_first_word() {
        assert_eq!(Tone::of_state("active, replaced: still in use"), Some(Tone::Good));
        assert_eq!(Tone::of_state("revoked"), Some(Tone::Bad));
        assert_eq!(Tone::of_state("unheard of"), None);
    }

    #[test]
    fn there_are_none_before_anybody_looked() {
        assert_eq!(Tone::Bad.paint("DENIED"), "DENIED");
    }
}
