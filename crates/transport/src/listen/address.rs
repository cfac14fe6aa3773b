//! Addresses of listeners and of their clients.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Address that a listener is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// TCP port.
    Tcp(SocketAddr),
    /// Unix socket.
    Unix(UnixSocketFile),
}

/// File of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocketFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Permissions of the file; connecting needs the permission to write.
    pub mode: u32,
    /// Group of the file; `None` for the group of the process.
    pub group: Option<u32>,
}

/// Address of a connected client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// Client of a TCP port.
    Tcp(SocketAddr),
    /// Process that is connected by a Unix socket, as the kernel identifies it (unix(7), `SO_PEERCRED`).
    Unix {
        /// User that the process ran as when it connected.
        uid: u32,
        /// Identifier of the process; 0 if it is in another namespace of processes.
        pid: u32,
    },
}

impl PeerAddress {
    /// Returns the IP address of the client. A process that is connected by a Unix socket is on this machine, and has the
    /// loopback address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::Tcp(address) => address.ip(),
            Self::Unix { .. } => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Returns the client that the bounds of connections apply to.
    pub(crate) fn client(&self) -> Client {
        match *self {
            Self::Tcp(address) => Client::of(address.ip()),
            Self::Unix { uid, .. } => Client::User(uid),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid, pid } => write!(f, "unix (uid {uid}, pid {pid})"),
        }
    }
}

/// Client that the bounds of connections apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Client {
    /// IPv4 address, or network of 64 bits of IPv6.
    Network(IpAddr),
    /// User of this machine, by its identifier. A process alone is no client: it would become another one by each fork.
    User(u32),
}

impl Client {
    /// Returns the client that an address belongs to: an IPv6 client has a network of 64 bits.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_a_network() {
        let client = |text: &str| Client::of(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
    }

    #[test]
    fn all_processes_of_a_user_behind_a_unix_socket_are_one_client() {
        let peer = |uid, pid| PeerAddress::Unix { uid, pid };
        assert_eq!(peer(1, 2).client(), peer(1, 3).client());
        assert_ne!(peer(1, 2).client(), peer(2, 2).client());
        assert!(peer(1, 2).ip().is_loopback());
    }
}
