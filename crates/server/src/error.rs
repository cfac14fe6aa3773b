//! What ends the process, or keeps it from beginning.

use std::net::SocketAddr;

use latchkey_config::{ConfigErrors, KeyFileError};
use latchkey_transport::WorkerExited;

use crate::profile_files::ProfileFilesError;
use crate::startup::StartupConflict;

/// Why serving could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A profile beside the program is wrong.
    #[error(transparent)]
    ProfileFiles(#[from] ProfileFilesError),
    /// The master key can't be had.
    #[error(transparent)]
    MasterKey(#[from] KeyFileError),
    /// A certificate, its key or a CA can't be used.
    #[error("{0}")]
    Tls(ConfigErrors),
    /// The database's address is wrong.
    #[error("database_url: {0}")]
    Database(#[from] latchkey_store::InvalidUrl),
    /// The file of the audit log's anchors can't be written.
    #[error("audit_anchor: the file can't be opened to be appended to: {0}")]
    AuditAnchor(std::io::Error),
    /// The decision log can't be written.
    #[error("decision_log: the file can't be opened to be appended to: {0}")]
    DecisionLog(std::io::Error),
    /// Redis's address is wrong.
    #[error("redis_url: {0}")]
    Redis(#[from] latchkey_redis::InvalidUrl),
    /// A port is taken, or not ours to take.
    #[error(
        "{setting}: {address} can't be listened on ({error}): end what listens there, or give a free address of this machine"
    )]
    Bind {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The collector of traces and metrics can't be reached as it should be: its certificate is no certificate.
    #[error("otel_exporter_otlp_certificate: {0}")]
    Otlp(String),
    /// The system gave no threads.
    #[error("the system gave no threads: {0}")]
    ThreadSpawn(std::io::Error),
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
    /// The contract's own descriptors are spoiled.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// What is in the database contradicts what was asked for.
    #[error(transparent)]
    Startup(#[from] StartupConflict),
    /// A thread that serves gRPC ended by itself.
    #[error(transparent)]
    Worker(#[from] WorkerExited),
    /// A task ended that never should.
    #[error("a part of the process ended by itself: {0}")]
    TaskExited(String),
}

impl ServeError {
    /// Whether a start with the same settings would end in the same way, so that whoever starts it again need not try.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::ProfileFiles(_)
            | Self::MasterKey(_)
            | Self::Tls(_)
            | Self::Database(_)
            | Self::Redis(_)
            | Self::Otlp(_)
            | Self::Startup(_) => true,
            // A port may be that of a process that is about to end, and a file's disk may be full or not there yet.
            Self::Bind { .. }
            | Self::AuditAnchor(_)
            | Self::DecisionLog(_)
            | Self::ThreadSpawn(_)
            | Self::Randomness(_)
            | Self::Reflection(_)
            | Self::Worker(_)
            | Self::TaskExited(_) => false,
        }
    }
}
