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

/// Returns the number of files that may be open at a time with these settings.
fn needed(settings: &Settings) -> u64 {
    let listen = &settings.listen;
    let grpc = listen.connections * if listen.management.is_some() { 2 } else { 1 };
    let http = http_server::LIMITS.open * if listen.admin.is_some() { 2 } else { 1 };
    (grpc + http) as u64 + u64::from(settings.database.connections) + OTHERS
}

/// Returns the limit if it is too low for the settings. The process can raise its own limit up to the hard one.
pub(crate) fn shortage(settings: &Settings) -> Option<TooFewFiles> {
    let (limit, needed) = (getrlimit(Resource::Nofile).maximum?, needed(settings));
    (limit < needed).then_some(TooFewFiles { limit, needed })
}

/// Raises the soft limit to the hard one, and logs a limit that is too low.
pub(crate) fn raise_limit(settings: &Settings) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "failed to raise the limit of open files to the hard limit");
    }
    if let Some(TooFewFiles { limit, needed }) = shortage(settings) {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for max_connections: further connections are refused when it is reached; \
             raise it (ulimit -n, LimitNOFILE) or lower max_connections"
        );
    }
}
