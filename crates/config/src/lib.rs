//! Settings of the server. Flags win over the environment, the environment wins over a TOML file, and the file wins over
//! the defaults. All settings are read and checked before anything is opened, and all errors are reported together. No
//! other crate reads the environment.

mod check_auth;
mod checks;
mod commands;
mod database;
mod database_variables;
mod deadlines;
pub mod definitions;
mod error;
mod file;
mod http_port;
mod listen;
mod listen_address;
mod master_key;
mod operators;
mod otlp;
mod reader;
mod redis;
mod root_key;
mod secret_files;
mod sources;
mod supervisor;
mod tls;
mod unix_socket;
mod unknown;
mod unused;
mod url_escapes;
mod user_config;
mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use latchkey_core::principal::CertificateOperator;

pub use check_auth::{CheckAuth, CheckKeys};
pub use checks::SettingChecks;
pub use database::{DatabaseDialect, DatabasePooler, DatabaseUrl, MissingDatabase};
pub use database_variables::unused_database_variables;
pub use deadlines::{CheckDeadlines, DatabaseDeadlines};
pub use error::{ConfigError, ConfigErrors};
pub use http_port::HttpPortSettings;
pub use listen::ListenSettings;
pub use listen_address::ListenAddress;
pub use master_key::{KeyFileError, MasterKey, PreviousKeys, sealer};
pub use otlp::{OtlpProtocol, OtlpSettings, SamplerSettings};
pub use redis::Redis;
pub use root_key::RootKey;
pub use secret_files::SecretFile;
pub use sources::{CONFIG_VARIABLE, ConfigSources, check_variables};
pub use supervisor::notify_socket;
pub use tls::TlsSettings;
pub use unix_socket::UnixSocketSettings;
pub use user_config::user_config_path;

use reader::SettingsReader;

/// Settings of `latchkey serve`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to listen on.
    pub listen: ListenSettings,
    /// TLS of the ports; `None` for plain text.
    pub tls: Option<TlsSettings>,
    /// Callers of Check.
    pub check_auth: CheckAuth,
    /// Operators and key managers by client certificate.
    pub operators: Vec<CertificateOperator>,
    /// Database.
    pub database: DatabaseSettings,
    /// Redis, if it is used.
    pub redis: Option<Redis>,
    /// Files and folders of profiles that are applied at start-up.
    pub profiles: Vec<PathBuf>,
    /// True to apply them even if they take access away from keys, users or tenants.
    pub force_profiles: bool,
    /// First key of the operator.
    pub root_key: RootKey,
    /// Key that encrypts values which must be read again.
    pub master_key: MasterKey,
    /// Earlier master keys during a rotation.
    pub previous_master_keys: PreviousKeys,
    /// Follower of the change feed.
    pub follower: FollowerSettings,
    /// Name that this replica keeps across restarts; `None` if it has none.
    pub replica_name: Option<Box<str>>,
    /// Maximum size of the cache, in bytes.
    pub cache_max_bytes: usize,
    /// Retention of the audit events of tokens.
    pub audit_token_retention: Duration,
    /// Places where the end of the audit log is recorded.
    pub audit_anchor: AuditAnchorSettings,
    /// Storage of the use of keys.
    pub usage: UsageSettings,
    /// Decision log.
    pub decisions: DecisionLogSettings,
    /// Times of the shutdown.
    pub drain: DrainSettings,
    /// Files that hold secrets.
    pub secret_files: Vec<SecretFile>,
    /// True if core dumps and debuggers are permitted.
    pub core_dumps: bool,
    /// The program's log.
    pub log: LogSettings,
    /// Export of traces and metrics; `None` if there is none.
    pub otlp: Option<OtlpSettings>,
}

/// Settings of `latchkey rewrap`.
#[derive(Clone, Debug)]
pub struct RewrapSettings {
    /// Database.
    pub database: DatabaseSettings,
    /// Key that values are encrypted with afterwards.
    pub master_key: MasterKey,
    /// Keys that values are encrypted with before.
    pub previous_master_keys: PreviousKeys,
    /// The program's log.
    pub log: LogSettings,
}

/// Settings of the database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// URL of the database.
    pub url: DatabaseUrl,
    /// Maximum number of connections.
    pub connections: u32,
    /// Connection pooler in front of PostgreSQL.
    pub pooler: DatabasePooler,
    /// Kind of a server that speaks PostgreSQL's protocol.
    pub dialect: DatabaseDialect,
    /// True if the schema is migrated at start-up.
    pub migrate: bool,
    /// True if this is the only replica that uses the database.
    pub single_replica: bool,
    /// Maximum duration of queries.
    pub deadlines: DatabaseDeadlines,
}

/// Settings of the change feed's follower.
#[derive(Clone, Copy, Debug)]
pub struct FollowerSettings {
    /// Time that the cache may be trusted after the start of the last complete poll.
    pub lease: Duration,
    /// Interval between two polls.
    pub feed_poll_interval: Duration,
}

/// Places where the end of the audit log is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAnchorSettings {
    /// Records it in this process's log.
    pub log: bool,
    /// File that it is appended to.
    pub file: Option<PathBuf>,
}

/// Storage of the use of keys.
#[derive(Clone, Copy, Debug)]
pub struct UsageSettings {
    /// Interval between two writes.
    pub flush_interval: Duration,
    /// Retention of the stored rows.
    pub retention: Duration,
}

/// Settings of the decision log.
#[derive(Clone, Debug)]
pub struct DecisionLogSettings {
    /// Target of the log.
    pub target: DecisionLogTarget,
    /// Ratio of allowed Checks that are logged, from 0 to 1.
    pub allowed: f64,
    /// Ratio of Checks that are logged of those that are denied or would be denied but for shadow mode, from 0 to 1.
    pub denied: f64,
}

/// Target of the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionLogTarget {
    /// No decision log.
    Off,
    /// Standard output.
    Stdout,
    /// File or pipe at a path.
    File(PathBuf),
}

/// Times of the shutdown.
#[derive(Clone, Copy, Debug)]
pub struct DrainSettings {
    /// Time during which calls are still accepted after health reports `NOT_SERVING`.
    pub delay: Duration,
    /// Maximum time after that for calls in flight to finish.
    pub timeout: Duration,
}

/// Settings of the program's log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Format of a line; `None` for text on a terminal and JSON elsewhere.
    pub format: Option<LogFormat>,
    /// Filter directives of `tracing_subscriber::EnvFilter`.
    pub directives: String,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// JSON for programs: one object per line.
    Json,
}

impl Settings {
    /// Reads and checks all settings; `checks` are those that need the parts which use a setting.
    pub fn load(sources: &ConfigSources, checks: &dyn SettingChecks) -> Result<Self, ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        let listen = reader.listen();
        let database = reader.database(checks);
        let redis = reader.redis(checks);
        let master_key = reader.master_key(database.as_ref());
        let previous_master_keys = reader.previous_master_keys();
        let (profiles, force_profiles) = reader.profiles();
        let replica_name = reader.replica_name();
        let (follower, cache_max_bytes, drain) =
            (reader.follower(), reader.cache_max_bytes(), reader.drain());
        let audit = reader.audit_token_retention().zip(reader.audit_anchor());
        let logs = audit.zip(reader.usage()).zip(reader.decisions());
        let log = reader.log();
        let root_key = reader.root_key(database.as_ref(), log.as_ref());
        let (otlp, core_dumps) = (reader.otlp(), reader.core_dumps());
        let (tls, operators, check_auth) = (reader.tls(checks), reader.operators(), reader.check_auth());
        let secret_files = secret_files::secret_files(sources, tls.as_ref(), &root_key);
        let errors = reader.finish();
        let whole =
            (listen.zip(check_auth), database, master_key, follower, cache_max_bytes, logs, drain, log);
        match whole {
            (
                Some((listen, check_auth)),
                Some(database),
                Some(master_key),
                Some(follower),
                Some(cache_max_bytes),
                Some((((audit_token_retention, audit_anchor), usage), decisions)),
                Some(drain),
                Some(log),
            ) if errors.is_empty() => Ok(Self {
                listen,
                tls,
                check_auth,
                operators,
                database,
                redis,
                profiles,
                force_profiles,
                root_key,
                master_key,
                previous_master_keys,
                follower,
                replica_name,
                cache_max_bytes,
                audit_token_retention,
                audit_anchor,
                usage,
                decisions,
                drain,
                secret_files,
                core_dumps,
                log,
                otlp,
            }),
            _ => Err(ConfigErrors(errors)),
        }
    }
}
