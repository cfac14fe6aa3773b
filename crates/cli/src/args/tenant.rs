//! Arguments of `latchkey tenant`.

use clap::{Args, Subcommand};

use super::list::ListTenantsArgs;
use super::value::pair;

/// Actions on tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant
    Create(CreateTenantArgs),
    /// Show a tenant
    Get {
        /// Id or slug of the tenant
        tenant: String,
    },
    /// Show and find tenants, newest first
    ///
    /// All conditions that are given must hold.
    List(Box<ListTenantsArgs>),
    /// Change display name, plan or rate limits
    Update(UpdateTenantArgs),
    /// Deny every credential of a tenant; returns when every replica denies them
    Suspend {
        /// Id or slug of the tenant
        tenant: String,
        /// Reason, for the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// End a suspension
    Resume {
        /// Id or slug of the tenant
        tenant: String,
    },
    /// Delete a tenant with its keys and users; returns when no replica admits any of them and all are erased
    Delete {
        /// Id or slug of the tenant
        tenant: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A new tenant.
#[derive(Args, Debug)]
pub(crate) struct CreateTenantArgs {
    /// Lower-case letters, digits and hyphens, 3 to 63 characters, unique
    pub(crate) slug: String,
    /// Profile of the tenant
    #[arg(long)]
    pub(crate) profile: String,
    /// Display name, for people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    pub(crate) display_name: String,
    /// Plan of the profile
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) plan: String,
    /// Replace the plan's buckets of a class, as in default="key 100/min; tenant 1000/min"
    #[arg(long = "rate-limit", value_parser = pair, value_name = "CLASS=LIMITS")]
    pub(crate) rate_limits: Vec<(String, String)>,
}

/// Changed fields.
#[derive(Args, Debug)]
#[group(required = true, multiple = true, id = "change")]
pub(crate) struct TenantChange {
    /// Display name, for people
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    /// Plan of the profile; "" for none
    #[arg(long)]
    pub(crate) plan: Option<String>,
    /// All limits of its own, as in default="key 100/min"
    #[arg(long = "rate-limit", value_parser = pair, value_name = "CLASS=LIMITS", conflicts_with = "no_rate_limits")]
    pub(crate) rate_limits: Vec<(String, String)>,
    /// No limits of its own
    #[arg(long)]
    pub(crate) no_rate_limits: bool,
}

/// A tenant and what changes.
#[derive(Args, Debug)]
pub(crate) struct UpdateTenantArgs {
    /// Id or slug of the tenant
    pub(crate) tenant: String,
    #[command(flatten)]
    pub(crate) change: TenantChange,
}
