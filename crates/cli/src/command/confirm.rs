//! Questions before what cannot be undone.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::exit::CliError;
use crate::output::sanitize;

/// Asks on the terminal whether to go on, unless `--yes` was given. Without a terminal to ask on, it is an error.
pub(super) fn confirm(yes: bool, question: &str) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let question = sanitize(question);
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage(format!(
            "{question} can't be undone, and there is no terminal to ask on: add --yes to do it"
        )));
    }
    let mut error = io::stderr().lock();
    write!(error, "{question} can't be undone. Do it? [y/N] ")?;
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
