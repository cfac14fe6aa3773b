//! Colours for people: on a terminal only, and not with `NO_COLOR` (<https://no-color.org>) or `TERM=dumb`. No
//! information is in a colour alone, and only the program's own text is coloured.

use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use comfy_table::{Cell, Color};

use super::text::{DENIED_BY_PROFILE, NO_SCOPE_LEFT};

/// True if colours are used; empty before [`init_style`].
static ENABLED: OnceLock<bool> = OnceLock::new();

/// Decides once, at the start, whether colours are used, by the kind of output and the environment.
pub(crate) fn init_style() {
    let choice = AutoStream::choice(&std::io::stdout());
    // A second call would have the same result.
    let _ = ENABLED.set(choice != ColorChoice::Never);
}

fn enabled() -> bool {
    ENABLED.get().is_some_and(|enabled| *enabled)
}

/// Severity of a text, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Good: allowed, active or passed.
    Good,
    /// Warning: disabled, expired or missing.
    Warning,
    /// Bad: denied, revoked or failed.
    Bad,
}

impl Tone {
    /// Returns the tone of a step that was passed or failed.
    pub(crate) fn of(passed: bool) -> Self {
        if passed { Self::Good } else { Self::Bad }
    }

    /// Returns the tone of the state of a key, a tenant, a user, a signing key or a migration.
    fn of_state(state: &str) -> Option<Self> {
        // Every call with such a key is denied, or every one that needs a scope.
        if [DENIED_BY_PROFILE, NO_SCOPE_LEFT].iter().any(|useless| state.starts_with(useless)) {
            return Some(Self::Warning);
        }
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

/// Returns a cell of a table; a state is coloured.
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
    fn the_first_word_of_a_state_decides_its_colour() {
        assert_eq!(Tone::of_state("active, replaced: still in use"), Some(Tone::Good));
        assert_eq!(Tone::of_state(DENIED_BY_PROFILE), Some(Tone::Warning));
        assert_eq!(Tone::of_state("revoked"), Some(Tone::Bad));
        assert_eq!(Tone::of_state("unheard of"), None);
    }

    #[test]
    fn no_colour_is_used_before_the_output_is_known() {
        assert_eq!(Tone::Bad.paint("DENIED"), "DENIED");
    }
}
