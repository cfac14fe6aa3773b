//! Arguments of `latchkey key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use prost_types::{Duration, Timestamp};

use super::bulk::{DisableKeysArgs, RevokeKeysArgs};
use super::list::ListKeysArgs;
use super::value::{minutes, pair, past, span, time};

/// Actions on keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key; its value is shown only once
    Create(Box<CreateKeyArgs>),
    /// Show a key
    Get {
        /// Id of the key
        id: String,
    },
    /// Show and find keys, newest first, with the last use and the unused scopes of each
    ///
    /// All conditions that are given must hold.
    List(Box<ListKeysArgs>),
    /// Show a key's calls by hour, with the reasons of denials
    Usage {
        /// Id of the key
        id: String,
        /// From the hour of this time on, where 24h is a day ago; all that is kept by default
        #[arg(long, value_parser = past, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Hours that begin before this time
        #[arg(long, value_parser = past, value_name = "TIME")]
        until: Option<Timestamp>,
        /// The last minutes too, the present one included: 1 to 60
        #[arg(long, value_name = "N", value_parser = minutes)]
        minutes: Option<i32>,
    },
    /// Change a key; restrictions are in force on every replica when the command returns
    Update(Box<UpdateKeyArgs>),
    /// Create a successor with the same grants; its value is shown only once
    Rotate(RotateKeyArgs),
    /// Revoke keys permanently; returns when no replica admits them any more
    Revoke(RevokeKeysArgs),
    /// Disable keys; `key update ID --enable` enables one again
    Disable(DisableKeysArgs),
    /// Delete a key that is revoked or has expired; its name and metadata are erased, and its value can't be used again
    Delete {
        /// Id of the key
        id: String,
        /// Delete it although it is neither revoked nor expired
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show the newest publishable key, with its value
    Publishable {
        /// The tenant's id or slug; the caller's own by default
        #[arg(long, default_value = "", hide_default_value = true)]
        tenant: String,
        /// Environment of the profile; the caller's own by default, "live" for operators
        #[arg(long, default_value = "", hide_default_value = true)]
        environment: String,
        /// Kind of the profile; any kind whose values can be read again by default
        #[arg(long, default_value = "", hide_default_value = true)]
        kind: String,
        /// A key with this binding, as in `merchant=m_1`; may be repeated
        #[arg(long = "binding", value_parser = pair, value_name = "NAME=ID")]
        bindings: Vec<(String, String)>,
    },
    /// Import keys from another system, by value or by hash
    ///
    /// All keys are checked before the first one is imported; an error names its place in the file, and nothing is
    /// imported. The file is one of these:
    ///
    /// json: a `latchkey.v1.ImportKeysRequest`,
    /// {"tenant": "acme", "keys": [{"value": "KEY", "key": {"name": "from before"}}]};
    /// jsonl: a `latchkey.v1.ImportedKey` on each line, {"hash": {"algorithm": "sha512", "digest": "HEX or BASE64"}};
    /// csv: a table whose header names columns: value or hash, algorithm, secret, name, tenant, kind, environment,
    /// scopes, `expire_time`, `create_time`, disabled, enabled, prefix, hint, networks, metadata.NAME, binding.NAME,
    /// `rate_limit.CLASS`;
    /// kong, unkey, aws: an export of Kong, Unkey or Amazon API Gateway.
    Import(ImportArgs),
}

/// Rotation of a key.
#[derive(Args, Debug)]
pub(crate) struct RotateKeyArgs {
    /// The id of the key that is replaced
    pub(crate) id: String,
    /// Time for which the old key keeps working
    #[arg(long, default_value = "0s", value_parser = span, value_name = "SPAN")]
    pub(crate) overlap: Duration,
    /// Time at which the successor expires; that of the old key by default
    #[arg(long, value_parser = time, value_name = "TIME", conflicts_with = "ttl")]
    pub(crate) expires: Option<Timestamp>,
    /// Lifetime of the successor
    #[arg(long, value_parser = span, value_name = "SPAN")]
    pub(crate) ttl: Option<Duration>,
    /// Print the value alone, for a script to store
    #[arg(long)]
    pub(crate) secret_only: bool,
    /// Do not ask, without an overlap
    #[arg(long)]
    pub(crate) yes: bool,
}

/// A new key.
#[derive(Args, Debug)]
pub(crate) struct CreateKeyArgs {
    /// Name for people, 1 to 128 characters
    #[arg(long)]
    pub(crate) name: String,
    /// The tenant's id or slug; the caller's own by default, and required of operators
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) tenant: String,
    /// Kind of the profile; its default kind by default
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) kind: String,
    /// Environment of the profile; "live" by default
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) environment: String,
    /// A scope to grant; may be repeated; the kind's default scopes by default, which are none unless the profile
    /// declares some
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// Grant every scope that the caller can grant and the kind can have, except those that manage keys
    #[arg(long)]
    pub(crate) all_scopes: bool,
    /// Confine the key to a resource, as in `merchant=m_1`; may be repeated
    #[arg(long = "binding", value_parser = pair, value_name = "NAME=ID")]
    pub(crate) bindings: Vec<(String, String)>,
    /// Time at which the key expires
    #[arg(long, value_parser = time, value_name = "TIME", conflicts_with = "ttl")]
    pub(crate) expires: Option<Timestamp>,
    /// Lifetime of the key
    #[arg(long, value_parser = span, value_name = "SPAN")]
    pub(crate) ttl: Option<Duration>,
    /// A network from which the key may be used; may be repeated
    #[arg(long = "network", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Replace the key's own buckets of a class, as in default="300/min burst 50"; may be repeated
    #[arg(long = "rate-limit", value_parser = pair, value_name = "CLASS=LIMIT")]
    pub(crate) rate_limits: Vec<(String, String)>,
    /// Metadata; may be repeated
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<(String, String)>,
    /// Idempotency key: a repeated call returns the same key, without its value; with --secret-only, it is an error
    #[arg(long, default_value = "", hide_default_value = true, value_name = "ID")]
    pub(crate) idempotency_key: String,
    /// Print the value alone, for a script to store
    #[arg(long)]
    pub(crate) secret_only: bool,
}

/// Field of a key that can be cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClearField {
    /// No scopes.
    Scopes,
    /// Any network.
    Networks,
    /// No limits of its own.
    RateLimits,
    /// No metadata.
    Metadata,
    /// Removes the expiry.
    Expires,
}

/// A key and what changes. Lists are replaced, not added to.
#[derive(Args, Debug)]
pub(crate) struct UpdateKeyArgs {
    /// Id of the key
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) change: KeyChange,
}

/// Changed fields.
#[derive(Args, Debug)]
#[group(required = true, multiple = true, id = "change")]
pub(crate) struct KeyChange {
    /// New name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// All of its scopes; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// All of its networks; may be repeated
    #[arg(long = "network", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// All of its own limits; may be repeated
    #[arg(long = "rate-limit", value_parser = pair, value_name = "CLASS=LIMIT")]
    pub(crate) rate_limits: Vec<(String, String)>,
    /// All of its metadata; may be repeated
    #[arg(long, value_parser = pair, value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<(String, String)>,
    /// Time at which the key expires
    #[arg(long, value_parser = time, value_name = "TIME")]
    pub(crate) expires: Option<Timestamp>,
    /// Disable the key
    #[arg(long, conflicts_with = "enable")]
    pub(crate) disable: bool,
    /// Enable the key again
    #[arg(long)]
    pub(crate) enable: bool,
    /// Clear a field; may be repeated
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) clear: Vec<ClearField>,
}

impl KeyChange {
    /// Returns the flag that sets a field and the value of `--clear` that clears it, for a field that is both set and
    /// cleared.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let fields = [
            (ClearField::Scopes, !self.scopes.is_empty(), ("--scope", "scopes")),
            (ClearField::Networks, !self.networks.is_empty(), ("--network", "networks")),
            (ClearField::RateLimits, !self.rate_limits.is_empty(), ("--rate-limit", "rate-limits")),
            (ClearField::Metadata, !self.metadata.is_empty(), ("--metadata", "metadata")),
            (ClearField::Expires, self.expires.is_some(), ("--expires", "expires")),
        ];
        let both = fields.into_iter().find(|(field, set, _)| *set && self.clear.contains(field));
        both.map(|(_, _, names)| names)
    }
}

/// Keys to import.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file; "-" reads standard input
    #[arg(value_name = "FILE", required_unless_present = "named")]
    pub(crate) file: Option<PathBuf>,
    /// The file, given by a flag
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "file", hide = true)]
    pub(crate) named: Option<PathBuf>,
    /// Format or system that the file is from; its name and content tell json, jsonl and csv apart by default
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) from: Option<ImportSource>,
    /// Check everything, show what would be imported, and import nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave out keys that exist already, to go on after an import that was interrupted
    #[arg(long)]
    pub(crate) skip_existing: bool,
    /// The tenant, in place of the file's
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Kind of the keys that name none; by default the kind whose format the value has
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Environment of the keys that name none
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// A scope to grant to the keys that name none; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
}

/// Format of a file of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportSource {
    /// `latchkey.v1.ImportKeysRequest` as JSON.
    Json,
    /// `latchkey.v1.ImportedKey` as JSON on each line.
    Jsonl,
    /// Table with a header.
    Csv,
    /// Kong's key-auth credentials.
    Kong,
    /// Unkey's keys.
    Unkey,
    /// Keys of Amazon API Gateway.
    Aws,
}
