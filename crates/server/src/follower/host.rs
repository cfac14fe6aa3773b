//! Identity of the running machine, and proof that a process of it has ended. A replica binds an abstract Unix socket
//! that carries its identifier. The kernel frees the socket when the process ends, whatever ends it, and never earlier.
//! Sockets are visible within one network namespace, so the identity names that as well.

use std::io;

/// Socket that shows other processes of this machine that a replica is alive.
#[derive(Debug)]
pub(crate) struct LivenessSocket {
    /// Listener that stays open and accepts nothing.
    #[cfg(target_os = "linux")]
    _listener: std::os::unix::net::UnixListener,
}

/// Returns the identity of the running machine (it changes when it restarts) and of the network namespace; `None` where
/// the system has neither.
pub(crate) fn identity() -> Option<Box<str>> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/net").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()).into())
}

impl LivenessSocket {
    /// Binds the socket of a replica. The error is of the kind `AddrInUse` if a running process has it.
    #[cfg(target_os = "linux")]
    pub(crate) fn bind(id: &str) -> io::Result<Self> {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};

        let address = SocketAddr::from_abstract_name(format!("latchkey/replica/{id}"))?;
        Ok(Self { _listener: UnixListener::bind_addr(&address)? })
    }

    /// Returns an error: only Linux has such sockets.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn bind(_: &str) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Returns whether no process of this machine and network namespace is the replica with this identifier.
pub(crate) fn has_ended(id: &str) -> bool {
    LivenessSocket::bind(id).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_has_ended_when_its_socket_is_free() {
        let id = format!("test-{}", std::process::id());
        assert!(has_ended(&id));
        let socket = LivenessSocket::bind(&id).unwrap();
        assert!(!has_ended(&id));
        assert_eq!(LivenessSocket::bind(&id).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(socket);
        assert!(has_ended(&id));
    }

    #[test]
    fn a_machine_has_one_identity() {
        assert!(identity().is_some());
        assert_eq!(identity(), identity());
    }
}
