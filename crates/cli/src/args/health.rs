//! Arguments of `latchkey health`.

use clap::Args;

use super::SettingsArgs;

/// Arguments of `health`.
#[derive(Args, Debug)]
pub(crate) struct HealthArgs {
    /// Check that the process responds (/livez), ready or not
    #[arg(long)]
    pub(crate) live: bool,
    /// Seconds to wait for the response
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}
