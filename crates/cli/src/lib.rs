//! The hand: what the program `latchkey` does with its arguments. It serves, by the switchboard, and it calls
//! a running server for people and scripts. No rule lives here: the server decides, and this shows it.

mod args;
mod call;
mod command;
mod exit;
mod import_file;
mod output;

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::args::Cli;
use crate::exit::{CliError, fail};

/// Does what the process's arguments say.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse_args();
    output::init_style();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&CliError::Local(format!("no threads can be started: {error}"))),
    };
    match runtime.block_on(command::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}
