//! Commands and options of the command line; [`crate::command`] runs the commands.

mod audit;
mod bulk;
mod check;
mod dev;
#[cfg(test)]
mod documented_commands;
mod empty;
mod envoy;
mod examples;
mod globals;
mod health;
mod hints;
mod key;
mod list;
mod negative;
mod operator;
mod option_names;
mod profile;
mod profile_secret;
mod repeated;
mod serve;
mod shadow;
mod tenant;
mod token;
mod usage;
mod user;
mod value;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use audit::{AuditCommand, EventArgs};
pub(crate) use bulk::{DisableKeysArgs, RevokeKeysArgs, SelectionArgs};
pub(crate) use check::CheckArgs;
pub(crate) use dev::DevArgs;
#[cfg(test)]
pub(crate) use envoy::{Admin, Timeout};
pub(crate) use envoy::{DoctorArgs, EnvoyConfigArgs, HostPort, Place};
pub(crate) use globals::{GlobalArgs, Globals};
pub(crate) use health::HealthArgs;
pub(crate) use key::{
    ClearField, CreateKeyArgs, ImportArgs, ImportSource, KeyCommand, RotateKeyArgs, UpdateKeyArgs,
};
pub(crate) use list::{
    ListKeysArgs, ListTenantsArgs, ListUsersArgs, PageArgs, State, TenantState, UserState,
};
pub(crate) use operator::{CreateOperatorArgs, OperatorCommand, Role};
pub(crate) use option_names::OptionNames;
pub(crate) use profile::{ApplyArgs, ChangeArgs, ProfileCommand};
pub(crate) use profile_secret::{ProfileSecretCommand, SecretEncoding};
pub(crate) use serve::SettingsArgs;
pub(crate) use shadow::{ReportArgs, ShadowCommand};
pub(crate) use tenant::{CreateTenantArgs, TenantCommand, UpdateTenantArgs};
pub(crate) use token::{IssueArgs, JwtCommand, SigningKeyCommand};
pub(crate) use usage::{UsageArgs, UsageTop};
pub(crate) use user::{UpdateUserArgs, UserCommand};
pub(crate) use value::{hexadecimal, time};

use crate::exit::CODES;

/// API keys and authorization for Envoy and gRPC, behind one decision.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, after_help = CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Returns the whole command line with its examples, for `--help` and completions.
    pub(crate) fn command_with_examples() -> clap::Command {
        examples::with_examples(Self::command())
    }

    /// Parses the command line. If it is invalid, prints the error and ends the process.
    pub(crate) fn parse_args() -> (Self, OptionNames) {
        let words = negative::joined(std::env::args_os());
        let command = Self::command_with_examples();
        let parsed = command.clone().try_get_matches_from(&words);
        let matches = parsed.unwrap_or_else(|error| hints::with_hint(error, &words).exit());
        let check = |command: &clap::Command| {
            repeated::check(command, &matches).and_then(|()| empty::check(command, &matches))
        };
        // Only a command that is built has the names before it in the usage of its errors.
        let checked = check(&command).or_else(|_| {
            let mut built = command.clone();
            built.build();
            check(&built)
        });
        let cli =
            checked.and_then(|()| Self::from_arg_matches(&matches)).unwrap_or_else(|error| error.exit());
        (cli, OptionNames::of(&command, &matches))
    }
}

/// Secret value of the command line, which `Debug` does not show.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Commands of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM, then finish the calls in flight and exit
    ///
    /// Every setting may be given as a flag, in the environment, or in a TOML file, in this order of
    /// precedence; all configuration errors are reported together.
    Serve(SettingsArgs),
    /// Try Latchkey: serve from a temporary database, with a demo profile, tenant and key
    ///
    /// Prints commands to paste, for grpcurl, latchkey and (with --envoy) curl. The database is deleted at the end.
    Dev(DevArgs),
    /// The database's schema
    Migrate(MigrateArgs),
    /// Re-encrypt all encrypted values with a new master key, while servers run
    ///
    /// Re-encrypts every value that is encrypted with one of the previous master keys, directly in the database; values
    /// that are no longer needed are deleted. The command may be interrupted and repeated. Exits with 1 if a value is
    /// left that is not encrypted with the new master key.
    #[command(alias = "reseal")]
    Rewrap(RewrapArgs),
    /// Apply profiles through a running server
    ///
    /// Each profile is validated as a whole and stored as the next version; an unchanged one is skipped. The command
    /// returns when every replica decides by the new version. If a version exists already, the command shows the
    /// changes and whom they affect, and asks for confirmation; without a terminal, --yes is needed. A document that
    /// makes keys or users invalid, or removes scopes or plans, needs --force. Of several documents, none is applied if
    /// one of them is invalid.
    Apply(ApplyArgs),
    /// Tenants: the customers that keys and users belong to
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Operators: the keys of people who run the service, by role
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Show who the caller is: name, role, tenant, scopes, expiry
    #[command(name = "whoami")]
    WhoAmI,
    /// Profiles: the documents that describe products
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Users: people of a tenant, who sign in with e-mail and password
    #[command(subcommand)]
    User(UserCommand),
    /// JWTs: short-lived tokens of a key or a user
    #[command(subcommand)]
    Jwt(JwtCommand),
    /// The keys that sign JWTs
    #[command(subcommand)]
    SigningKey(SigningKeyCommand),
    /// The audit log: what was done, by whom
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Report of calls that rules in shadow would have denied
    #[command(subcommand)]
    Shadow(ShadowCommand),
    /// Show calls by the hour, or the keys, tenants or profiles with the most calls
    Usage(UsageArgs),
    /// Check whether a call would be allowed, and show why
    ///
    /// By default, no rate limit is charged. Exits with 0 if the call is allowed, and with 3 if it is denied.
    Check(CheckArgs),
    /// Check settings, database, Redis and Envoy, and report problems; changes nothing
    ///
    /// Checks the settings that `serve` would be started with, and each given Envoy. Exits with 0 if there are no
    /// errors (warnings are permitted), with 2 if a setting is invalid, with 6 if something can't be reached, and
    /// with 1 for any other error.
    Doctor(DoctorArgs),
    /// Check whether the server on this machine is ready; made for health checks of containers
    ///
    /// Reads the settings that `serve` is started with, and calls /readyz of its HTTP port. Prints the reason if it is
    /// not ready. Exits with 0 if it is ready and with 1 otherwise.
    Health(HealthArgs),
    /// Print an Envoy configuration that asks Latchkey about each request, for a profile
    ///
    /// Headers, body and trusted hops are those that the profile reads; the credential is not forwarded.
    EnvoyConfig(EnvoyConfigArgs),
    /// Print a shell's completions, to be sourced
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write the manual pages into a folder, one for each command
    Man {
        /// Folder that exists
        folder: PathBuf,
    },
}

/// Actions on the schema.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    pub(crate) action: MigrateAction,
}

/// A direction, with the settings that name the database.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// Apply every missing migration; safe to run many times at once
    Up(SettingsArgs),
    /// Revert the last migrations; refused if that would delete data
    Down {
        /// Number of migrations
        #[arg(long, default_value_t = 1, value_name = "N")]
        steps: u32,
        /// Delete the data that an older schema has no place for
        #[arg(long)]
        discard_data: bool,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Show every migration and its state; changes nothing
    Status(SettingsArgs),
}

/// Arguments of `rewrap`, with the settings that name the database and the master keys.
#[derive(Debug, Args)]
pub(crate) struct RewrapArgs {
    /// Delete values that no given key decrypts, if a master key is lost; such signing keys are withdrawn. Stop the
    /// servers first
    #[arg(long = "discard-unreadable", alias = "forget")]
    pub(crate) forget: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}
