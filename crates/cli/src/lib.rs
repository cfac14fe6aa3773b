//! Command line of the program `latchkey`: serves, and calls a running server for people and scripts. It has no
//! business rules: the server decides, and the command line shows the result.

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

/// Runs the command that the process's arguments name, and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(code) = command::execute_envoy(std::env::args_os()) {
        return code;
    }
    let (cli, options) = Cli::parse_args();
    output::init_style();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&CliError::Local(format!("no threads can be started: {error}")), &options),
    };
    match runtime.block_on(command::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure, &options),
    }
}
