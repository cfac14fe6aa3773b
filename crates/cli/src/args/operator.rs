//! Arguments of `latchkey operator`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use prost_types::{Duration, Timestamp};

use super::list::{PageArgs, State};
use super::value::{span, time};

/// Actions on operators' keys.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Create an operator's key; its value is shown only once
    ///
    /// The value is written to a file that only its owner can read (--secret-file), or printed on a terminal. Elsewhere it
    /// is printed only with --secret-only or --show-secret. --key-file works like --secret-file if it names a file that
    /// does not exist yet.
    Create(CreateOperatorArgs),
    /// Show operators' keys, newest first, with their roles
    List {
        /// Only keys in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Revoke an operator's key permanently; returns when no replica admits it any more
    Revoke {
        /// Id of the key
        id: String,
        /// Reason, for the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

/// A new operator's key.
#[derive(Args, Debug)]
pub(crate) struct CreateOperatorArgs {
    /// Name for people, 1 to 128 characters
    #[arg(long)]
    pub(crate) name: String,
    /// Rights of the key; each role has the rights of the ones before it
    #[arg(long, value_enum)]
    pub(crate) role: Role,
    /// Time at which the key expires
    #[arg(long, value_parser = time, value_name = "TIME", conflicts_with = "ttl")]
    pub(crate) expires: Option<Timestamp>,
    /// Lifetime of the key
    #[arg(long, value_parser = span, value_name = "SPAN")]
    pub(crate) ttl: Option<Duration>,
    /// A network from which the key may be used; may be repeated
    #[arg(long = "network", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Write the value to this new file, with mode 0600
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret_only", "show_secret"])]
    pub(crate) secret_file: Option<PathBuf>,
    /// Print the value alone, for a script to store
    #[arg(long)]
    pub(crate) secret_only: bool,
    /// Print the value with the key, also if the output is not a terminal
    #[arg(long, conflicts_with = "secret_only")]
    pub(crate) show_secret: bool,
}

/// Role of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Read and list everything that is no secret
    Read,
    /// Also revoke and disable keys, and disable users
    Support,
    /// All calls
    Admin,
}

impl Role {
    /// All roles.
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Support, Self::Admin];

    /// Returns the scope of keys with this role.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Read => "latchkey.read",
            Self::Support => "latchkey.support",
            Self::Admin => "latchkey.admin",
        }
    }

    /// Returns the name of the role.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }
}
