//! Arguments of the commands that change many keys at a time.

use clap::Args;
use prost_types::Timestamp;

use super::list::State;
use super::value::{pair, past};

/// Keys by their identifiers, or by a filter.
#[derive(Args, Debug)]
pub(crate) struct SelectionArgs {
    /// Id of the key; may be repeated
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<String>,
    /// All keys of a tenant that match the other flags
    #[arg(long)]
    pub(crate) all: bool,
    /// The tenant's id or slug; the caller's own by default, and required of operators
    #[arg(long, default_value = "", hide_default_value = true, requires = "all")]
    pub(crate) tenant: String,
    /// Only keys of this kind
    #[arg(long, default_value = "", hide_default_value = true, requires = "all")]
    pub(crate) kind: String,
    /// Only keys of this environment
    #[arg(long, default_value = "", hide_default_value = true, requires = "all")]
    pub(crate) environment: String,
    /// Only keys in this state
    #[arg(long, value_enum, requires = "all")]
    pub(crate) state: Option<State>,
    /// Only keys that this subject created
    #[arg(long, default_value = "", hide_default_value = true, value_name = "SUBJECT", requires = "all")]
    pub(crate) created_by: String,
    /// Only keys whose last allowed call, or whose creation without one, was before this time
    #[arg(long, value_parser = past, value_name = "TIME", requires = "all")]
    pub(crate) unused_since: Option<Timestamp>,
    /// Only keys with this binding; may be repeated
    #[arg(long = "binding", value_parser = pair, value_name = "NAME=ID", requires = "all")]
    pub(crate) bindings: Vec<(String, String)>,
    /// Count the keys, and change none
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Keys to disable.
#[derive(Args, Debug)]
pub(crate) struct DisableKeysArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Do not ask, with --all
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Keys to revoke.
#[derive(Args, Debug)]
pub(crate) struct RevokeKeysArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Reason, for the key's owner and the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Do not ask, with --all
    #[arg(long)]
    pub(crate) yes: bool,
}
