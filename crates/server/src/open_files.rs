//! Limit of open files, which the connections need (getrlimit(2), `RLIMIT_NOFILE`).

use latchkey_config::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http_server;

/// Files that the process needs besides connections: databases, logs, its runtimes.
const OTHERS: u64 = 128;

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

/// Returns the number of files that may be open at a time with these settings, without the connections of gRPC ports.
fn other_files(settings: &Settings) -> u64 {
    let http = http_server::LIMITS.open * if settings.listen.admin.is_some() { 2 } else { 1 };
    http as u64 + u64::from(settings.database.connections) + OTHERS
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
