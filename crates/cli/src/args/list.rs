//! Arguments of the lists of keys, tenants and users.

use clap::{Args, ValueEnum};
use prost_types::Timestamp;

use super::value::{pair, past, time};

/// Page of a long list.
#[derive(Args, Clone, Debug)]
pub(crate) struct PageArgs {
    /// Maximum number of entries
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) page_size: i32,
    /// Continue after an earlier page, whose output has this token
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TOKEN")]
    pub(crate) page_token: String,
}

/// Times of creation.
#[derive(Args, Clone, Debug)]
pub(crate) struct CreatedArgs {
    /// Created at this time or later
    #[arg(long = "created-after", value_parser = past, value_name = "TIME")]
    pub(crate) after: Option<Timestamp>,
    /// Created before this time
    #[arg(long = "created-before", value_parser = past, value_name = "TIME")]
    pub(crate) before: Option<Timestamp>,
}

/// Selection of keys.
#[derive(Args, Debug)]
pub(crate) struct ListKeysArgs {
    /// The tenant's id or slug; the caller's own by default
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// The keys of all tenants, for operators
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) all_tenants: bool,
    /// A part of the name, in any case
    #[arg(
        long = "name",
        alias = "name-contains",
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub(crate) name_contains: String,
    /// The last four characters of the value, as the column HINT shows them
    #[arg(
        long,
        alias = "last-four",
        default_value = "",
        hide_default_value = true,
        value_name = "CHARACTERS"
    )]
    pub(crate) hint: String,
    /// Only keys of this kind
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) kind: String,
    /// Only keys of this environment
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) environment: String,
    /// Only keys in this state; several may be given
    #[arg(long = "state", value_enum, value_delimiter = ',')]
    pub(crate) states: Vec<State>,
    /// Only keys with this binding; may be repeated
    #[arg(long = "binding", value_parser = pair, value_name = "NAME=ID")]
    pub(crate) bindings: Vec<(String, String)>,
    /// Only keys with this scope; may be repeated, for keys with all of them
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// The id of the key or user that created the keys
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub(crate) created_by: String,
    #[command(flatten)]
    pub(crate) created: CreatedArgs,
    /// Last used at this time or later
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) last_used_after: Option<Timestamp>,
    /// Last used before this time
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) last_used_before: Option<Timestamp>,
    /// Never used; with --last-used-before or --last-used-after, in addition to the keys that these select
    #[arg(long)]
    pub(crate) never_used: bool,
    /// Expires at this time or later
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) expires_after: Option<Timestamp>,
    /// Expires before this time
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) expires_before: Option<Timestamp>,
    /// Never expires; with --expires-before or --expires-after, in addition to the keys that these select
    #[arg(long)]
    pub(crate) never_expires: bool,
    /// Order: created, name, `last_used` or expires; add " desc" for the reverse order
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ORDER")]
    pub(crate) order_by: String,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// State of a key.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    /// Active.
    Active,
    /// Expired.
    Expired,
    /// Revoked.
    Revoked,
    /// Disabled.
    Disabled,
}

/// Selection of tenants.
#[derive(Args, Debug)]
pub(crate) struct ListTenantsArgs {
    /// A part of the slug or the display name, in any case
    #[arg(
        long = "name",
        alias = "name-contains",
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub(crate) name_contains: String,
    /// Only tenants in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<TenantState>,
    /// Only tenants of this profile
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) profile: String,
    /// Only tenants with this plan
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) plan: String,
    #[command(flatten)]
    pub(crate) created: CreatedArgs,
    /// Order: created, slug or name; add " desc" for the reverse order
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ORDER")]
    pub(crate) order_by: String,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// State of a tenant.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TenantState {
    /// Active.
    Active,
    /// Suspended.
    Suspended,
}

/// Selection of users.
#[derive(Args, Debug)]
pub(crate) struct ListUsersArgs {
    /// The tenant's id or slug; the caller's own by default
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// The users of all tenants, for operators
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) all_tenants: bool,
    /// A part of the e-mail address, in any case
    #[arg(
        long = "email",
        alias = "email-contains",
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub(crate) email_contains: String,
    /// Only users with this role
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) role: String,
    /// Only users that are confined to this environment
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) environment: String,
    /// Only users in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<UserState>,
    #[command(flatten)]
    pub(crate) created: CreatedArgs,
    /// Order: created or email; add " desc" for the reverse order
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ORDER")]
    pub(crate) order_by: String,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// State of a user.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum UserState {
    /// Active.
    Active,
    /// Disabled.
    Disabled,
}
