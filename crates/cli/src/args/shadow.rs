//! Arguments of `latchkey shadow`.

use clap::{Args, Subcommand};
use prost_types::Timestamp;

use super::list::PageArgs;
use super::value::past;

/// Actions on the shadow report.
#[derive(Debug, Subcommand)]
pub(crate) enum ShadowCommand {
    /// Show who would have been denied, where and why, the most frequent first
    ///
    /// Counts calls that were allowed only because the rule that denies them is in shadow (`enforce = "shadow"` in the
    /// profile).
    Report(ReportArgs),
}

/// Selection of calls.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Profile; by default all profiles
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) profile: String,
    /// Id or slug of a tenant; by default all tenants, and calls whose sender is unknown
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// From the hour of this time on, where 24h is a day ago
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}
