//! What each command does. Those that call a server build one request, show one answer, and no more.

mod apply;
mod audit;
mod author;
mod check;
mod dev;
mod key;
mod migrate;
mod profile;
mod serve;
mod tenant;
mod token;
mod user;

use clap::CommandFactory as _;

use crate::args::{Cli, Command};
use crate::exit::Failure;

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let globals = cli.globals;
    match cli.command {
        Command::Serve(settings) => serve::run(&settings).await,
        Command::Dev(args) => dev::run(args).await,
        Command::Migrate(args) => migrate::run(args.action).await,
        Command::Apply(args) => apply::run(&globals, args).await,
        Command::Tenant(command) => tenant::run(&globals, command).await,
        Command::Key(command) => key::run(&globals, command).await,
        Command::Profile(command) => profile::run(&globals, command).await,
        Command::User(command) => user::run(&globals, command).await,
        Command::Jwt(command) => token::jwt(&globals, command).await,
        Command::SigningKey(command) => token::signing_key(&globals, command).await,
        Command::Audit(command) => audit::run(&globals, command).await,
        Command::Check(args) => check::run(&globals, args).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "latchkey", &mut std::io::stdout());
            Ok(())
        }
    }
}
