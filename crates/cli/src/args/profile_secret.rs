//! Arguments of `latchkey profile secret`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// Actions on the secrets that profiles name.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileSecretCommand {
    /// Set a secret that a kind names as hmac-sha256:NAME; returns when every replica uses it
    Set {
        /// Name of the profile
        profile: String,
        /// Name of the secret in the profile
        name: String,
        /// File with the secret; "-" reads standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Encoding of the secret in the file
        #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
        encoding: SecretEncoding,
        /// Do not ask if a secret of this name is replaced
        #[arg(long)]
        yes: bool,
    },
    /// List the secrets that are set, without their values
    List {
        /// Name of the profile; all profiles by default
        #[arg(default_value = "", hide_default_value = true)]
        profile: String,
    },
    /// Delete a secret; keys whose hashes need it are denied from then on
    Delete {
        /// Name of the profile
        profile: String,
        /// Name of the secret
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Encoding of a secret in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretEncoding {
    /// The bytes of the text.
    Text,
    /// Hexadecimal digits.
    Hex,
    /// Base64 in the standard alphabet.
    Base64,
}
