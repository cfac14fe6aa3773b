//! Limit of open files, which the connections need (getrlimit(2), `RLIMIT_NOFILE`).

use latchkey_config::Settings;
use latchkey_transport::MAX_WAITING;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http_server;
use crate::serve::worker_count;

/// Files that the process needs besides connections and workers: databases, logs, the main runtime.
const OTHERS: usize = 128;
/// Files of a worker: those of its runtime and of its signals.
const FILES_OF_WORKER: usize = 4;

/// Limit of open files that is too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooFewFiles {
    pub(crate) limit: u64,
    pub(crate) needed: u64,
}

/// Least number of connections of a gRPC port, however low the limit is.
const LEAST_CONNECTIONS: usize = 16;

/// Returns the number of gRPC ports.
fn grpc_ports(settings: &Settings) -> usize {
    if settings.listen.management.is_some() { 2 } else { 1 }
}

/// Returns the number of files that may be open at a time with these settings, without the connections in use of gRPC ports.
/// Each port accepts one more connection than may wait before it closes one.
fn other_files(settings: &Settings) -> u64 {
    let http_ports = if settings.listen.admin.is_some() { 2 } else { 1 };
    let waiting = (MAX_WAITING + 1) * (grpc_ports(settings) + http_ports);
    let in_process = FILES_OF_WORKER * worker_count() + OTHERS;
    (http_server::LIMITS.open * http_ports + waiting + in_process) as u64
        + u64::from(settings.database.connections)
}

/// Returns the limit if it is too low for the settings. The process can raise its own limit up to the hard one.
pub(crate) fn shortage(settings: &Settings) -> Option<TooFewFiles> {
    let limit = getrlimit(Resource::Nofile).maximum?;
    let needed = (settings.listen.connections * grpc_ports(settings)) as u64 + other_files(settings);
    (limit < needed).then_some(TooFewFiles { limit, needed })
}

/// Returns the number of connections for which a limit has room on each of the gRPC ports, beside `others` files.
fn permitted(limit: u64, others: u64, grpc_ports: usize) -> usize {
    let room = usize::try_from(limit.saturating_sub(others)).unwrap_or(usize::MAX);
    (room / grpc_ports).max(LEAST_CONNECTIONS)
}

/// Raises the soft limit to the hard one. If that is too low, logs it and reduces the number of connections: a process without
/// room for one more file can accept no connection, close no idle one for it, and answer no probe.
pub(crate) fn raise_limit(settings: &mut Settings) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "failed to raise the limit of open files to the hard limit");
    }
    if let Some(TooFewFiles { limit, needed }) = shortage(settings) {
        let permitted = permitted(limit, other_files(settings), grpc_ports(settings));
        settings.listen.connections = settings.listen.connections.min(permitted);
        tracing::warn!(
            limit,
            needed,
            connections = settings.listen.connections,
            "the limit of open files is too low for max_connections: each gRPC port takes fewer connections; \
             raise it (ulimit -n, LimitNOFILE) or lower max_connections"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_the_files_that_are_left() {
        assert_eq!(permitted(1_024, 400, 1), 624);
        assert_eq!(permitted(1_024, 400, 2), 312);
        assert_eq!(permitted(64, 400, 1), LEAST_CONNECTIONS);
    }
}
