//! Arguments of `latchkey user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::list::ListUsersArgs;
use super::value::pair;

/// Actions on users. A password is read from a file, or from standard input by "-": on the command
/// line, others would see it.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user
    Create {
        /// The e-mail address, unique in the tenant
        email: String,
        /// Role of the profile
        #[arg(long)]
        role: String,
        /// The tenant's id or slug; the caller's own by default
        #[arg(long, default_value = "", hide_default_value = true)]
        tenant: String,
        /// A file that holds the password; "-" reads standard input
        #[arg(long, default_value = "-", value_name = "FILE")]
        password_file: PathBuf,
        /// Confine the user to a resource, as in `merchant=m_1`; may be repeated
        #[arg(long = "binding", value_parser = pair, value_name = "NAME=ID")]
        bindings: Vec<(String, String)>,
        /// Confine the user to one environment; every environment by default
        #[arg(long, default_value = "", hide_default_value = true)]
        environment: String,
    },
    /// Change role, bindings or environment, or enable a user again
    ///
    /// All tokens that the user had are invalid when the command returns; enabling a user again ends none.
    Update(UpdateUserArgs),
    /// Show and find users, newest first
    ///
    /// All conditions that are given must hold.
    List(Box<ListUsersArgs>),
    /// Set a user's password; every token of the user is invalid when the command returns
    SetPassword {
        /// The user's id
        id: String,
        /// A file that holds the password; "-" reads standard input
        #[arg(long, default_value = "-", value_name = "FILE")]
        password_file: PathBuf,
    },
    /// Disable a user; every token of the user becomes invalid
    Disable {
        /// The user's id
        id: String,
    },
    /// Delete a user, with e-mail address, password and tokens
    Delete {
        /// The user's id
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A user and what changes.
#[derive(Args, Debug)]
pub(crate) struct UpdateUserArgs {
    /// The user's id
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) change: UserChange,
}

/// Changed fields.
#[derive(Args, Debug)]
#[group(required = true, multiple = true, id = "user_change")]
pub(crate) struct UserChange {
    /// Role of the profile
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// All resources that the user is confined to, as in `merchant=m_1`; may be repeated
    #[arg(long = "binding", value_parser = pair, value_name = "NAME=ID", conflicts_with = "no_bindings")]
    pub(crate) bindings: Vec<(String, String)>,
    /// Confine the user to no resource
    #[arg(long)]
    pub(crate) no_bindings: bool,
    /// The one environment that the user is confined to; "" for every one
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// Disable the user (true), or enable the user again (false)
    #[arg(long, value_name = "BOOL")]
    pub(crate) disabled: Option<bool>,
}
