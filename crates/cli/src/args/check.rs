//! Arguments of `latchkey check`.

use std::path::PathBuf;

use clap::Args;

use super::Secret;
use super::value::pair;

/// Arguments of one Check.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The API key or JWT to check
    pub(crate) credential: Option<Secret>,
    /// A file that holds the API key or JWT; "-" reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "credential")]
    pub(crate) credential_file: Option<PathBuf>,
    /// The profile to decide by; by default that of the credential's tenant
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) profile: String,
    /// The tenant that the caller claims, by id or slug
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// The environment that is called
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) environment: String,
    /// The HTTP method
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) method: String,
    /// The HTTP path; without one the call matches no route
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) path: String,
    /// Check only the credential, its scopes and its limits, without a route
    #[arg(long, conflicts_with = "path")]
    pub(crate) scopes_only: bool,
    /// A scope that is needed in addition to the route's; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// Resource that the request touches, as in `merchant=m_1`; may be repeated
    #[arg(long, value_parser = pair, value_name = "NAME=ID")]
    pub(crate) resource: Vec<(String, String)>,
    /// The rate class, if no route decides it
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CLASS")]
    pub(crate) rate_class: String,
    /// Tokens that the call costs; 1 by default
    #[arg(long, value_name = "N")]
    pub(crate) cost: Option<u32>,
    /// The client's address
    #[arg(long, default_value = "", hide_default_value = true, value_name = "IP")]
    pub(crate) source_ip: String,
    /// Identifier of the request, for logs and the audit log
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub(crate) request_id: String,
    /// Charge the rate limits and count the use, as a real call does
    #[arg(long = "charge", alias = "spend")]
    pub(crate) spend: bool,
}
