//! The hand: what the program `latchkey` does with its arguments. It serves, by the switchboard, and it calls
//! a running server for people and scripts. No rule lives here: the server decides, and this shows it.

mod args;
mod call;
mod command;
mod exit;
mod output;

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::args::Cli;
use crate::exit::{Failure, fail};

/// Does what the process's arguments say.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::of_process();
    output::look();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::Local(format!("no threads can be started: {error}"))),
    };
    match runtime.block_on(command::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}
