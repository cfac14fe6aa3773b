//! Confirmation of commands that end access or cannot be undone.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::exit::CliError;
use crate::output::sanitize;

/// Asks on the terminal whether to do what cannot be undone, unless `--yes` was given. Without a terminal to ask on, it
/// is an error.
pub(super) fn confirm(yes: bool, action: &str) -> Result<(), CliError> {
    confirm_effect(yes, &format!("{action} can't be undone"))
}

/// Asks on the terminal whether to go on, after a sentence that states the effect, unless `--yes` was given. Without a
/// terminal to ask on, it is an error.
pub(super) fn confirm_effect(yes: bool, effect: &str) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let effect = sanitize(effect);
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage(format!(
            "{effect}, and there is no terminal to ask on: add --yes to do it"
        )));
    }
    let mut error = io::stderr().lock();
    write!(error, "{effect}. Do it? [y/N] ")?;
    error.flush()?;
    drop(error);
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CliError::Local("nothing was changed".to_owned()))
    }
}
