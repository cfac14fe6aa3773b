//! Address of a listener: `127.0.0.1:50051`, or `unix:/run/latchkey/grpc.sock` for a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::values::{self, ParseResult};

/// Prefix of the path of a Unix socket, as gRPC and Envoy's tools write it.
const UNIX: &str = "unix:";
/// Maximum length of the path of a Unix socket in bytes (unix(7), `sun_path`).
const MAX_PATH_BYTES: usize = 107;

/// Address of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP port.
    Tcp(SocketAddr),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Parses `IP:PORT`, `localhost:PORT`, `unix:PATH` or `unix:///PATH`.
    pub(super) fn parse(text: &str) -> ParseResult<Self> {
        match text.strip_prefix(UNIX) {
            Some(path) => unix_path(text, path).map(Self::Unix),
            None if text.contains('/') => {
                let path = text.trim_start_matches("unix").trim_start_matches(':');
                Err(format!("{text:?} is not an address: write {UNIX}{path} for a Unix socket, or IP:PORT"))
            }
            None => values::address(text).map(Self::Tcp),
        }
    }

    /// Returns whether only processes of this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Returns the path of a Unix socket.
    #[must_use]
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Returns whether two listeners at these addresses conflict.
    pub(super) fn collides(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => values::collide(*one, *other),
            (Self::Unix(one), Self::Unix(other)) => one.components().eq(other.components()),
            _ => false,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

fn unix_path(text: &str, path: &str) -> ParseResult<PathBuf> {
    let path = match path.strip_prefix("//") {
        None => path,
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return Err(format!(
                "{text:?} names a host: write unix:///PATH with three slashes, or unix:PATH"
            ));
        }
    };
    if path.starts_with('@') || path.contains('\0') {
        return Err(format!(
            "{text:?} is an abstract socket, which has no permissions: give a path, such as unix:/run/latchkey/grpc.sock"
        ));
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(format!("{text:?} names no file: write a path, such as unix:/run/latchkey/grpc.sock"));
    }
    let length = Path::new(path).as_os_str().as_bytes().len();
    if length > MAX_PATH_BYTES {
        return Err(format!(
            "the path {path:?} has {length} bytes, and that of a Unix socket can have at most {MAX_PATH_BYTES}: choose a shorter one"
        ));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_has_a_path() {
        let path = |text: &str| ListenAddress::parse(text).unwrap().unix_path().map(Path::to_path_buf);
        let expected = Some(PathBuf::from("/run/latchkey/grpc.sock"));
        assert_eq!(path("unix:/run/latchkey/grpc.sock"), expected);
        assert_eq!(path("unix:///run/latchkey/grpc.sock"), expected);
        assert_eq!(path("unix:grpc.sock"), Some("grpc.sock".into()));
        assert_eq!(path("127.0.0.1:1"), None);
        let long = format!("unix:/{}", "a".repeat(107));
        for bad in ["unix:", "unix://", "unix:/run/", "unix://run/a", "unix:@name", "unix://x", long.as_str()]
        {
            assert!(ListenAddress::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_without_its_prefix_is_refused_with_the_right_address() {
        let error = ListenAddress::parse("/run/a.sock").unwrap_err();
        assert!(error.contains("write unix:/run/a.sock"), "{error}");
    }

    #[test]
    fn two_listeners_cannot_have_one_socket() {
        let address = |text: &str| ListenAddress::parse(text).unwrap();
        assert!(address("unix:/run/a").collides(&address("unix:///run//a")));
        assert!(!address("unix:/run/a").collides(&address("unix:/run/b")));
        assert!(!address("unix:/run/a").collides(&address("127.0.0.1:1")));
    }
}
