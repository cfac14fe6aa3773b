//! Arguments of `latchkey apply` and `latchkey profile`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};

use super::list::PageArgs;
use super::profile_secret::ProfileSecretCommand;

/// Profiles to apply.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A document, or a folder of .toml files
    #[arg(short, long = "file", required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Options of a command that changes a profile.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Validate and show what would change; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before a profile is changed
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Also apply changes that make keys or users invalid, or remove scopes or plans; still asks without --yes
    #[arg(long)]
    pub(crate) force: bool,
    /// Reason of the change, kept with the version and in the audit log
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub(crate) comment: String,
}

/// Returns the parser of a version. A request without a version has 0.
fn version() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

/// Actions on profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Show a profile's document
    #[command(visible_alias = "get", disable_version_flag = true)]
    Show {
        /// Name of the profile
        name: String,
        /// Version; the newest by default
        #[arg(
            long = "version",
            alias = "version-number",
            value_parser = version(),
            value_name = "N"
        )]
        number: Option<u64>,
    },
    /// Show every profile and its newest version
    List,
    /// Delete a profile, with all of its versions and its signing keys
    Delete {
        /// Name of the profile
        name: String,
        /// Delete the tenants of the profile too, with their keys and users
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show the versions of a profile, newest first: when and by whom each was applied
    Versions {
        /// Name of the profile
        name: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show what a document would change, and the keys, users and tenants that it would affect
    ///
    /// Compares a document with the newest version on the server, or with an older one. With two documents, no server is
    /// needed, and nothing is counted.
    Diff {
        /// The document, or the old and the new one
        #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Version to compare with; the newest by default
        #[arg(long, value_parser = version(), value_name = "VERSION")]
        against: Option<u64>,
    },
    /// Apply an older version of a profile as a new one
    ///
    /// Shows what changes and asks, as `latchkey apply`.
    Rollback {
        /// Name of the profile
        name: String,
        /// Version to apply again; the one before the newest by default
        #[arg(long, value_parser = version(), value_name = "VERSION")]
        to: Option<u64>,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Report errors and likely mistakes in documents; no server is needed
    ///
    /// Errors and warnings name file, line and column. Exits with 2 if a document would be refused, or if there are
    /// warnings and --strict is given.
    Lint {
        #[command(flatten)]
        documents: DocumentArgs,
        /// Exit with 2 if there are warnings
        #[arg(long)]
        strict: bool,
    },
    /// Run the examples in documents against a gate in memory; no server is needed
    ///
    /// Exits with 1 if an example has another result than the document states.
    Test(DocumentArgs),
    /// Secrets with which another system computed the HMACs of its keys
    #[command(subcommand)]
    Secret(ProfileSecretCommand),
}

/// Documents on this machine.
#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// A document, or a folder of .toml files
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
