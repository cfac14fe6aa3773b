//! Settings of the server. Flags win over the environment, the environment wins over a TOML file, and the file wins
//! over the built-in defaults. Everything is read and checked before anything is opened, and all errors are reported
//! together. No other crate reads the environment.

mod checks;
mod database;
pub mod definitions;
mod error;
mod file;
mod master_key;
mod operators;
mod otlp;
mod reader;
mod redis;
mod sources;
mod tls;
mod user_config;
mod values;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use latchkey_core::secret::PlainKey;
use latchkey_management::CertificateOperator;

pub use checks::SettingChecks;
pub use database::DatabaseUrl;
pub use error::{ConfigError, ConfigErrors};
pub use master_key::{KeyFileError, MasterKey, PreviousKeys, sealer};
pub use otlp::{OtlpSettings, SamplerSettings};
pub use redis::Redis;
pub use sources::{CONFIG_VARIABLE, ConfigSources};
pub use tls::TlsSettings;
pub use user_config::user_config_path;

use reader::SettingsReader;

/// Everything that `serve` needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: ListenSettings,
    /// What the ports are served with; none: plain text.
    pub tls: Option<TlsSettings>,
    /// Who may manage by a certificate's name.
    pub operators: Vec<CertificateOperator>,
    /// Where everything is kept.
    pub database: DatabaseSettings,
    /// Where replicas count together.
    pub redis: Option<Redis>,
    /// Profiles applied at the start.
    pub profiles: Vec<PathBuf>,
    /// The operator's first key.
    pub root_key: Option<PlainKey>,
    /// What encrypts values that must be read again.
    pub master_key: MasterKey,
    /// What still opens values that lie under it.
    pub previous_master_keys: PreviousKeys,
    /// How changes are followed.
    pub follower: FollowerSettings,
    /// What is remembered at most, in bytes.
    pub cache_max_bytes: usize,
    /// Where the audit log's end is noted.
    pub audit_anchor: AuditAnchorSettings,
    /// How use of keys is written down.
    pub usage: UsageSettings,
    /// Which decisions are noted, and where.
    pub decisions: DecisionLogSettings,
    /// How it ends.
    pub drain: DrainSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where traces and metrics are sent.
    pub otlp: Option<OtlpSettings>,
}

/// Where to listen.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// gRPC.
    pub grpc: SocketAddr,
    /// Management by itself; none: on the gRPC port, with everything else.
    pub management: Option<SocketAddr>,
    /// HTTP: liveness and readiness.
    pub http: SocketAddr,
    /// gRPC connections at once.
    pub connections: usize,
}

/// Where everything is kept.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Its address.
    pub url: DatabaseUrl,
    /// Connections at once.
    pub connections: u32,
    /// Whether the schema is brought up to date at the start.
    pub migrate: bool,
    /// Whether no other process serves from it.
    pub single_replica: bool,
    /// How long it may take to answer.
    pub deadlines: DatabaseDeadlines,
}

/// How long the database may take.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseDeadlines {
    /// For one Check: Envoy gives 200 ms for everything.
    pub check: Duration,
    /// For a management call.
    pub management: Duration,
}

impl Default for DatabaseDeadlines {
    fn default() -> Self {
        Self { check: Duration::from_millis(80), management: Duration::from_millis(900) }
    }
}

/// How changes are followed.
#[derive(Clone, Copy, Debug)]
pub struct FollowerSettings {
    /// How long memory is trusted after a poll that read everything began.
    pub lease: Duration,
    /// Between two polls.
    pub feed_poll_interval: Duration,
}

/// Where the audit log's end is noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAnchorSettings {
    /// In this process's log.
    pub log: bool,
    /// In a file that only grows.
    pub file: Option<PathBuf>,
}

/// How use of keys is written down.
#[derive(Clone, Copy, Debug)]
pub struct UsageSettings {
    /// How often.
    pub flush_interval: Duration,
    /// How long it is kept.
    pub retention: Duration,
}

/// Which decisions are noted, and where.
#[derive(Clone, Debug)]
pub struct DecisionLogSettings {
    /// Where.
    pub target: DecisionLogTarget,
    /// SampleRate of the Checks that are allowed, from 0 to 1.
    pub allowed: f64,
    /// SampleRate of the Checks that are denied, or would be in shadow mode, from 0 to 1.
    pub denied: f64,
}

/// Where decisions are noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionLogTarget {
    /// Nowhere.
    Off,
    /// On standard output.
    Stdout,
    /// In a file, by its path, or a pipe.
    File(PathBuf),
}

/// How it ends.
#[derive(Clone, Copy, Debug)]
pub struct DrainSettings {
    /// Between `NOT_SERVING` and the end of accepting.
    pub delay: Duration,
    /// For calls in flight, after that.
    pub timeout: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// None: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// tracing's directives.
    pub directives: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

impl Settings {
    /// Reads and checks everything; `checks` are those that the parts which use a setting make themselves.
    pub fn load(sources: &ConfigSources, checks: &dyn SettingChecks) -> Result<Self, ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        let listen = reader.listen();
        let database = reader.database();
        let redis = reader.redis(checks);
        let master_key = reader.master_key(database.as_ref());
        let (previous_master_keys, root_key) = (reader.previous_master_keys(), reader.root_key());
        let profiles = reader.profiles();
        let (follower, cache_max_bytes, drain) =
            (reader.follower(), reader.cache_max_bytes(), reader.drain());
        let logs = reader.audit_anchor().zip(reader.usage()).zip(reader.decisions());
        let log = reader.log();
        let otlp = reader.otlp();
        let (tls, operators) = (reader.tls(checks), reader.operators());
        let errors = reader.finish();
        let whole = (listen, database, master_key, follower, cache_max_bytes, logs, drain, log);
        match whole {
            (
                Some(listen),
                Some(database),
                Some(master_key),
                Some(follower),
                Some(cache_max_bytes),
                Some(((audit_anchor, usage), decisions)),
                Some(drain),
                Some(log),
            ) if errors.is_empty() => Ok(Self {
                listen,
                tls,
                operators,
                database,
                redis,
                profiles,
                root_key,
                master_key,
                previous_master_keys,
                follower,
                cache_max_bytes,
                audit_anchor,
                usage,
                decisions,
                drain,
                log,
                otlp,
            }),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// What `reseal` needs: the database, the master keys and the log.
    pub fn load_for_rewrap(
        sources: &ConfigSources,
    ) -> Result<(DatabaseSettings, (MasterKey, PreviousKeys), LogSettings), ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        let (database, log) = (reader.database(), reader.log());
        let keys = (reader.master_key(database.as_ref()), reader.previous_master_keys());
        match (database, keys, log, reader.finish()) {
            (Some(database), (Some(current), previous), Some(log), errors) if errors.is_empty() => {
                Ok((database, (current, previous), log))
            }
            (_, _, _, errors) => Err(ConfigErrors(errors)),
        }
    }

    /// What `migrate` needs: the database and the log.
    pub fn load_database(sources: &ConfigSources) -> Result<(DatabaseSettings, LogSettings), ConfigErrors> {
        let mut reader = SettingsReader::new(sources);
        let (database, log) = (reader.database(), reader.log());
        match (database, log, reader.finish()) {
            (Some(database), Some(log), errors) if errors.is_empty() => Ok((database, log)),
            (_, _, errors) => Err(ConfigErrors(errors)),
        }
    }
}
