//! Protection of the process's memory, which holds credentials, signing keys and the master key.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and debuggers and readers of `/proc/PID/mem` of the same user (`PR_SET_DUMPABLE`, prctl(2)). A
/// failure is logged.
pub fn protect_memory() {
    if let Err(error) = forbid_dumps() {
        tracing::warn!(%error, "failed to forbid core dumps and debuggers: they can read the keys in memory");
    }
}

fn forbid_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
