//! `latchkey completions` and `latchkey man`: files for shells and for man(1), generated from the command line itself.

use std::path::Path;

use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::CliError;
use crate::output::print;

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command_with_examples(), "latchkey", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes a manual page for each command into a folder.
pub(super) fn pages(folder: &Path) -> Result<(), CliError> {
    clap_mangen::generate_to(Cli::command_with_examples(), folder)
        .map_err(|error| CliError::Local(format!("{} can't be written: {error}", folder.display())))
}
