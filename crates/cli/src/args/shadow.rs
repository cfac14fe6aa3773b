//! Arguments of `latchkey shadow`.

use clap::{Args, Subcommand};
use prost_types::Timestamp;

use super::tenant::PageArgs;
use super::value::time;

/// What can be asked about what is tried before it is enforced.
#[derive(Debug, Subcommand)]
pub(crate) enum ShadowCommand {
    /// Show who would have been denied, where and why, the most frequent first
    ///
    /// Calls that passed, since what would have denied them is in shadow (`enforce = "shadow"` in the profile).
    Report(ReportArgs),
}

/// Which calls.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// One profile's; by default every one's
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) profile: String,
    /// One tenant's, by id or slug; by default every one's, and calls of nobody that was recognised
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// From the hour of this time on
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}
