//! Arguments of `latchkey jwt` and `latchkey signing-key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use prost_types::Duration;

use super::value::span;

/// Actions on JWTs. Tokens are read from a file, or from standard input by "-".
#[derive(Debug, Subcommand)]
pub(crate) enum JwtCommand {
    /// Exchange a key, or an e-mail address and password, for a JWT and a refresh token
    ///
    /// Without --email, the key is the one that calls (LATCHKEY_API_KEY, --api-key, --key-file).
    Issue(IssueArgs),
    /// Exchange a refresh token for a new JWT and a new refresh token
    Refresh {
        /// A file that holds the refresh token
        #[arg(long, default_value = "-", value_name = "FILE")]
        token_file: PathBuf,
        /// The tenant's id or slug; the token's own by default
        #[arg(long, default_value = "", hide_default_value = true)]
        tenant: String,
        /// A scope to keep; all by default; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// End the family of a refresh token or JWT; an unknown token counts as ended
    Revoke {
        /// A file that holds the token
        #[arg(long, default_value = "-", value_name = "FILE")]
        token_file: PathBuf,
    },
    /// Show the header and the claims of a JWT; calls no server, and verifies nothing
    Inspect {
        /// A file that holds the JWT
        #[arg(long, default_value = "-", value_name = "FILE")]
        token_file: PathBuf,
    },
}

/// Arguments of `jwt issue`.
#[derive(Args, Debug)]
pub(crate) struct IssueArgs {
    /// A user's e-mail address; the password comes from --password-file
    #[arg(long, requires = "tenant")]
    pub(crate) email: Option<String>,
    /// A file that holds the password; "-" reads standard input
    #[arg(long, default_value = "-", value_name = "FILE", requires = "email")]
    pub(crate) password_file: PathBuf,
    /// The tenant's id or slug
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// A scope; all that the grant allows by default; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// Audience of the JWT; the profile's audience by default
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) audience: String,
    /// Lifetime; never longer than the profile allows
    #[arg(long, value_parser = span, value_name = "SPAN")]
    pub(crate) ttl: Option<Duration>,
}

/// Actions on signing keys.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// Show every signing key, newest first
    List,
    /// Publish a new key, which replaces the present one for signing after a delay
    Rotate {
        /// The profile
        profile: String,
        /// Time between publication and first use for signing; ten minutes by default
        #[arg(long, value_parser = span, value_name = "SPAN")]
        lead: Option<Duration>,
    },
    /// Withdraw a key permanently, which makes every JWT that it signed invalid
    Withdraw {
        /// The key's identifier (kid)
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}
