//! Settings of the server. Flags win over the environment, the environment wins over a TOML file, and the file wins
//! over the built-in defaults. Everything is read and checked before anything is opened, and all errors are reported
//! together. No other crate reads the environment.

pub mod catalogue;
mod checks;
mod database;
mod file;
mod master_key;
mod operators;
mod otlp;
mod own;
mod problem;
mod reader;
mod redis;
mod sources;
mod tls;
mod values;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use latchkey_management::CertifiedOperator;
use latchkey_core::secret::PlainKey;

pub use checks::Checks;
pub use database::DatabaseUrl;
pub use master_key::{BadKeyFile, MasterKey, PreviousKeys, sealer};
pub use otlp::{Otlp, Sampler};
pub use own::own_config;
pub use problem::{BadSettings, Problem};
pub use redis::Redis;
pub use sources::{CONFIG_VARIABLE, Sources};
pub use tls::Tls;

use reader::Reader;

/// Everything that `serve` needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// What the ports are served with; none: plain text.
    pub tls: Option<Tls>,
    /// Who may manage by a certificate's name.
    pub operators: Vec<CertifiedOperator>,
    /// Where everything is kept.
    pub database: Database,
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
    pub follow: Follow,
    /// What is remembered at most, in bytes.
    pub memory: usize,
    /// Where the audit log's end is noted.
    pub audit_anchor: AuditAnchor,
    /// How use of keys is written down.
    pub usage: UsageKeeping,
    /// Which decisions are noted, and where.
    pub decisions: DecisionLog,
    /// How it ends.
    pub drain: Drain,
    /// What is logged, and how.
    pub log: Log,
    /// Where traces and metrics are sent.
    pub otlp: Option<Otlp>,
}

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Listen {
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
pub struct Database {
    /// Its address.
    pub url: DatabaseUrl,
    /// Connections at once.
    pub connections: u32,
    /// Whether the schema is brought up to date at the start.
    pub migrate: bool,
    /// Whether no other process serves from it.
    pub single_replica: bool,
    /// How long it may take to answer.
    pub deadlines: Deadlines,
}

/// How long the database may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For one Check: Envoy gives 200 ms for everything.
    pub check: Duration,
    /// For a management call.
    pub management: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { check: Duration::from_millis(80), management: Duration::from_millis(900) }
    }
}

/// How changes are followed.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    /// How long memory is trusted after a poll that read everything began.
    pub lease: Duration,
    /// Between two polls.
    pub poll: Duration,
}

/// Where the audit log's end is noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAnchor {
    /// In this process's log.
    pub log: bool,
    /// In a file that only grows.
    pub file: Option<PathBuf>,
}

/// How use of keys is written down.
#[derive(Clone, Copy, Debug)]
pub struct UsageKeeping {
    /// How often.
    pub flush: Duration,
    /// How long it is kept.
    pub retention: Duration,
}

/// Which decisions are noted, and where.
#[derive(Clone, Debug)]
pub struct DecisionLog {
    /// Where.
    pub target: DecisionTarget,
    /// Share of the Checks that are allowed, from 0 to 1.
    pub allowed: f64,
    /// Share of the Checks that are denied, or would be in shadow mode, from 0 to 1.
    pub denied: f64,
}

/// Where decisions are noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionTarget {
    /// Nowhere.
    Off,
    /// On standard output.
    Stdout,
    /// In a file, by its path, or a pipe.
    File(PathBuf),
}

/// How it ends.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// Between `NOT_SERVING` and the end of accepting.
    pub settle: Duration,
    /// For calls in flight, after that.
    pub finish: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
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
    pub fn load(sources: &Sources, checks: &dyn Checks) -> Result<Self, BadSettings> {
        let mut reader = Reader::new(sources);
        let listen = reader.listen();
        let database = reader.database();
        let redis = reader.redis(checks);
        let master_key = reader.master_key(database.as_ref());
        let (previous_master_keys, root_key) = (reader.previous_master_keys(), reader.root_key());
        let profiles = reader.profiles();
        let (follow, memory, drain) = (reader.follow(), reader.memory(), reader.drain());
        let books = reader.audit_anchor().zip(reader.usage()).zip(reader.decisions());
        let log = reader.log();
        let otlp = reader.otlp();
        let (tls, operators) = (reader.tls(checks), reader.operators());
        let problems = reader.finish();
        let whole = (listen, database, master_key, follow, memory, books, drain, log);
        match whole {
            (
                Some(listen),
                Some(database),
                Some(master_key),
                Some(follow),
                Some(memory),
                Some(((audit_anchor, usage), decisions)),
                Some(drain),
                Some(log),
            ) if problems.is_empty() => Ok(Self {
                listen,
                tls,
                operators,
                database,
                redis,
                profiles,
                root_key,
                master_key,
                previous_master_keys,
                follow,
                memory,
                audit_anchor,
                usage,
                decisions,
                drain,
                log,
                otlp,
            }),
            _ => Err(BadSettings(problems)),
        }
    }

    /// What `reseal` needs: the database, the master keys and the log.
    pub fn load_sealed(sources: &Sources) -> Result<(Database, (MasterKey, PreviousKeys), Log), BadSettings> {
        let mut reader = Reader::new(sources);
        let (database, log) = (reader.database(), reader.log());
        let keys = (reader.master_key(database.as_ref()), reader.previous_master_keys());
        match (database, keys, log, reader.finish()) {
            (Some(database), (Some(current), previous), Some(log), problems) if problems.is_empty() => {
                Ok((database, (current, previous), log))
            }
            (_, _, _, problems) => Err(BadSettings(problems)),
        }
    }

    /// What `migrate` needs: the database and the log.
    pub fn load_database(sources: &Sources) -> Result<(Database, Log), BadSettings> {
        let mut reader = Reader::new(sources);
        let (database, log) = (reader.database(), reader.log());
        match (database, log, reader.finish()) {
            (Some(database), Some(log), problems) if problems.is_empty() => Ok((database, log)),
            (_, _, problems) => Err(BadSettings(problems)),
        }
    }
}
