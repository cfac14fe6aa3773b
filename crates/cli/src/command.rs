//! Commands. A command that calls a server builds one request and prints one response.

mod apply;
mod audit;
mod bulk;
mod check;
mod confirm;
mod dev;
mod doctor;
mod envoy_config;
mod health;
mod key;
mod key_import;
mod list;
mod manual;
mod migrate;
mod operator;
mod profile;
mod profile_change;
mod profile_document;
mod profile_secret;
mod rewrap;
mod serve;
mod shadow;
mod tenant;
mod token;
mod usage;
mod user;

use latchkey_config::check_variables;

use crate::args::{
    AuditCommand, Cli, Command, Globals, KeyCommand, OperatorCommand, ProfileCommand, SigningKeyCommand,
    TenantCommand, UserCommand,
};
use crate::call::explained;
use crate::exit::CliError;
use crate::output::Format;
pub(crate) use dev::execute_envoy;

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Result<(), CliError> {
    if let Some(why) = own_document(&cli.command).filter(|_| cli.globals.output == Some(Format::Json)) {
        return Err(CliError::Usage(format!("{why}: leave --output json out")));
    }
    let format = cli.globals.output.unwrap_or(Format::Text);
    let globals = match cli.command {
        // These commands call no server, and their user may have no configuration folder.
        Command::Serve(settings) => return serve::run(&settings).await,
        Command::Dev(args) => {
            check_environment()?;
            return dev::run(args.resolve()).await;
        }
        Command::Migrate(args) => return migrate::run(args.action, format).await,
        Command::Rewrap(args) => return rewrap::run(args, format).await,
        Command::Health(args) => return health::run(args, format).await,
        Command::Completions { shell } => return manual::completions(shell),
        Command::Man { folder } => return manual::pages(&folder),
        // `doctor` reports wrong variables as findings.
        command @ Command::Doctor(_) => (cli.globals.resolve()?, command),
        command => {
            check_environment()?;
            (Globals { is_short: is_short(&command), ..cli.globals.resolve()? }, command)
        }
    };
    match calling(&globals.0, globals.1).await {
        Ok(()) => Ok(()),
        Err(error) => Err(explained(&globals.0, error).await),
    }
}

/// Returns whether a command reads a few rows alone. A server that does not answer it for a minute is hung.
fn is_short(command: &Command) -> bool {
    matches!(
        command,
        Command::WhoAmI
            | Command::Check(_)
            | Command::Tenant(TenantCommand::Get { .. } | TenantCommand::List(_))
            | Command::Key(KeyCommand::Get { .. } | KeyCommand::List(_) | KeyCommand::Publishable { .. })
            | Command::User(UserCommand::List(_))
            | Command::Operator(OperatorCommand::List { .. })
            | Command::Profile(
                ProfileCommand::Show { .. } | ProfileCommand::List | ProfileCommand::Versions { .. }
            )
            | Command::SigningKey(SigningKeyCommand::List)
            | Command::Audit(AuditCommand::List { .. })
    )
}

/// Checks that no variable of the environment is a misspelt or unreadable one of this program.
fn check_environment() -> Result<(), CliError> {
    check_variables(std::env::vars_os()).map_err(|errors| CliError::Usage(errors.to_string()))
}

/// Returns why a command has no JSON output: it prints a document in another format, or text for people only.
fn own_document(command: &Command) -> Option<&'static str> {
    match command {
        Command::Serve(_) => Some("`latchkey serve` prints a log, whose format is the setting log_format"),
        Command::Dev(_) => Some("`latchkey dev` prints commands to paste"),
        Command::EnvoyConfig(_) => Some("`latchkey envoy-config` prints the configuration of Envoy, in YAML"),
        Command::Completions { .. } => Some("`latchkey completions` prints a script"),
        Command::Man { .. } => Some("`latchkey man` writes manual pages, and prints nothing"),
        _ => None,
    }
}

async fn calling(globals: &Globals, command: Command) -> Result<(), CliError> {
    match command {
        Command::Apply(args) => apply::run(globals, args).await,
        Command::Tenant(command) => tenant::run(globals, command).await,
        Command::Key(command) => key::run(globals, command).await,
        Command::Operator(command) => operator::run(globals, command).await,
        Command::WhoAmI => operator::whoami(globals).await,
        Command::Profile(command) => profile::run(globals, command).await,
        Command::User(command) => user::run(globals, command).await,
        Command::Jwt(command) => token::jwt(globals, command).await,
        Command::SigningKey(command) => token::signing_key(globals, command).await,
        Command::Audit(command) => audit::run(globals, command).await,
        Command::Usage(args) => usage::run(globals, args).await,
        Command::Shadow(command) => shadow::run(globals, command).await,
        Command::Check(args) => check::run(globals, args).await,
        Command::Doctor(args) => doctor::run(globals, args).await,
        Command::EnvoyConfig(args) => envoy_config::run(globals, args).await,
        Command::Serve(_)
        | Command::Dev(_)
        | Command::Migrate(_)
        | Command::Rewrap(_)
        | Command::Health(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_command_that_changes_something_may_wait_for_replicas() {
        let short = |line: &str| is_short(&Cli::try_parse_from(line.split(' ')).unwrap().command);
        for line in ["whoami", "key list", "key get key_1", "tenant list", "audit list", "check k --path /a"]
        {
            assert!(short(&format!("latchkey {line}")), "{line}");
        }
        for line in ["key revoke key_1", "key delete key_1", "tenant suspend acme", "audit verify", "usage"] {
            assert!(!short(&format!("latchkey {line}")), "{line}");
        }
    }
}
