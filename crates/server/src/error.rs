//! Errors that end the process or prevent its start.

use std::io::ErrorKind;

use latchkey_config::{ConfigErrors, KeyFileError, ListenAddress};
use latchkey_transport::WorkerExited;

use crate::migrate::EmbeddedDatabaseError;
use crate::profile_files::ProfileFilesError;
use crate::startup::StartupConflict;

/// Reason why serving could not begin or continue.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A profile file is invalid.
    #[error(transparent)]
    ProfileFiles(#[from] ProfileFilesError),
    /// The master key cannot be loaded.
    #[error(transparent)]
    MasterKey(#[from] KeyFileError),
    /// A certificate, its key or a CA cannot be used.
    #[error("{0}")]
    Tls(ConfigErrors),
    /// The database URL is invalid.
    #[error("database_url: {0}")]
    Database(#[from] latchkey_store::InvalidUrl),
    /// The file of the embedded database is in use, replaced or gone.
    #[error(transparent)]
    Embedded(#[from] EmbeddedDatabaseError),
    /// The file of audit log anchors cannot be opened.
    #[error(
        "audit_anchor: the file can't be opened for appending ({0}): correct the path, or its permissions"
    )]
    AuditAnchor(std::io::Error),
    /// The file of the decision log cannot be opened.
    #[error(
        "decision_log: the file can't be opened for appending ({0}): correct the path, or its permissions"
    )]
    DecisionLog(std::io::Error),
    /// The Redis URL is invalid.
    #[error("redis_url: {0}")]
    Redis(#[from] latchkey_redis::InvalidUrl),
    /// An address is in use, or the process is not permitted to listen on it.
    #[error("{setting}: can't listen on {address} ({error}){}", bind_remedy(.address, .error))]
    Bind {
        /// Setting that gives the address.
        setting: &'static str,
        /// Address.
        address: ListenAddress,
        /// Cause, by the operating system.
        error: std::io::Error,
    },
    /// The OTLP exporter cannot be created: the CA certificate of the collector is invalid.
    #[error(transparent)]
    Otlp(#[from] latchkey_telemetry::otlp::OtlpError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    ThreadSpawn(std::io::Error),
    /// The system's random number generator failed.
    #[error("the system's random number generator failed: {0}")]
    Randomness(#[from] rand::rngs::SysError),
    /// The descriptors of the contract are invalid.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The contents of the database contradict the configuration.
    #[error(transparent)]
    Startup(#[from] StartupConflict),
    /// A thread that serves gRPC ended unexpectedly.
    #[error(transparent)]
    Worker(#[from] WorkerExited),
    /// A second signal asked for an end at once.
    #[error("a second signal ended the process at once; calls in flight were cut off")]
    SecondSignal,
    /// A task that runs for the life of the process ended unexpectedly.
    #[error("a task of the process ended unexpectedly: {0}")]
    TaskExited(String),
}

/// Returns what to do about an address that cannot be bound. The errors of Unix sockets say that themselves.
fn bind_remedy(address: &ListenAddress, error: &std::io::Error) -> &'static str {
    match (address, error.kind()) {
        (ListenAddress::Unix(_), _) => "",
        (ListenAddress::Tcp(_), ErrorKind::PermissionDenied) => {
            ": choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE"
        }
        (ListenAddress::Tcp(_), ErrorKind::AddrNotAvailable) => {
            ": set an address of this machine, or listen on 0.0.0.0 or [::]"
        }
        (ListenAddress::Tcp(_), _) => {
            ": stop the process that listens there, or set a free address of this machine"
        }
    }
}

/// Returns whether a file can't be opened because the path in the setting is wrong, as for the other settings that name
/// files. A disk that is full or read-only is no mistake in the setting.
fn is_wrong_path(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
    )
}

impl ServeError {
    /// Returns true if a restart with the same settings would fail in the same way, so that a supervisor need not
    /// restart the process.
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
            Self::AuditAnchor(error) | Self::DecisionLog(error) => is_wrong_path(error.kind()),
            // An address or a file can be in use by a process that is about to end, and a disk can be full or not mounted
            // yet.
            Self::Bind { .. }
            | Self::Embedded(_)
            | Self::ThreadSpawn(_)
            | Self::Randomness(_)
            | Self::Reflection(_)
            | Self::Worker(_)
            | Self::SecondSignal
            | Self::TaskExited(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn an_address_that_cannot_be_bound_has_the_remedy_of_its_cause() {
        let text = |kind: ErrorKind| {
            let address = ListenAddress::Tcp("127.0.0.1:80".parse().unwrap());
            ServeError::Bind { setting: "grpc_addr", address, error: kind.into() }.to_string()
        };
        assert!(text(ErrorKind::PermissionDenied).ends_with("give the process CAP_NET_BIND_SERVICE"));
        assert!(text(ErrorKind::AddrNotAvailable).contains("set an address of this machine"));
        assert!(text(ErrorKind::AddrInUse).contains("stop the process that listens there"));
    }

    #[test]
    fn a_wrong_path_is_an_invalid_setting_and_a_full_disk_is_none() {
        for (kind, permanent) in [
            (ErrorKind::NotFound, true),
            (ErrorKind::PermissionDenied, true),
            (ErrorKind::IsADirectory, true),
            (ErrorKind::StorageFull, false),
            (ErrorKind::ReadOnlyFilesystem, false),
        ] {
            assert_eq!(ServeError::DecisionLog(Error::from(kind)).is_permanent(), permanent, "{kind}");
            assert_eq!(ServeError::AuditAnchor(Error::from(kind)).is_permanent(), permanent, "{kind}");
        }
    }
}
