//! Arguments of `latchkey audit`.

use clap::{Args, Subcommand};
use latchkey_proto::v1::AuditAnchor;
use prost_types::Timestamp;

use super::list::PageArgs;
use super::value::{anchor, past};

/// Actions on the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show what was done, by whom, newest first
    List {
        #[command(flatten)]
        which: EventArgs,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Check that nothing in the log was changed, deleted, moved or cut off
    ///
    /// Every event is checked against the hash of the one before, and against what the server has anchored
    /// elsewhere (its setting `audit_anchor`). Exits with 1 if an event does not match, and prints which one.
    Verify {
        /// Anchor of the log at an earlier time, as this command or the server's log printed it; may be repeated
        #[arg(long = "anchor", value_parser = anchor, value_name = "SEQUENCE:HASH")]
        anchors: Vec<AuditAnchor>,
    },
    /// Write every event as a line of JSON, newest first
    Export(EventArgs),
}

/// Selection of events.
#[derive(Args, Clone, Debug)]
pub(crate) struct EventArgs {
    /// Id or slug of a tenant; by default the caller's own tenant, and all tenants for operators
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// From this time on, where 24h is a day ago
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_parser = past, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
    /// Id of the key or user that acted, as the column ACTOR shows it, or "certificate NAME"
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub(crate) actor: String,
    /// Only this action, such as key.revoke; key.* for all actions with this prefix
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) action: String,
    /// Target of the action, as the column TARGET shows it
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub(crate) target: String,
}
