//! Arguments of `latchkey usage`.

use clap::{Args, ValueEnum};
use prost_types::Timestamp;

use super::value::{minutes, past};

/// Report of calls.
#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    /// The tenant's id or slug; all tenants by default for operators, and the caller's own for others
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// Only tenants of this profile
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) profile: String,
    /// The keys, tenants or profiles with the most calls, in place of hours
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) top: Option<UsageTop>,
    /// Maximum number of keys, tenants or profiles
    #[arg(long, default_value_t = 10, value_name = "N", requires = "top")]
    pub(crate) limit: i32,
    /// From the hour of this time on, where 24h is a day ago; all that is kept by default
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Hours that begin before this time; until now by default
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// The last minutes, the present one included, in place of hours: 1 to 60
    #[arg(long, value_name = "N", value_parser = minutes, conflicts_with_all = ["since", "until"])]
    pub(crate) minutes: Option<i32>,
}

/// Group of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageTop {
    /// Keys.
    Keys,
    /// Tenants.
    Tenants,
    /// Profiles.
    Profiles,
}
