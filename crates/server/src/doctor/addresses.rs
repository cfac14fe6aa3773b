//! Check that this machine has the addresses of the ports, and that the process may use them.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use latchkey_config::{ListenAddress, ListenSettings};

use super::{Finding, warning};

/// Reports addresses on which a start on this machine can't listen. A port that is in use is not reported: the server may be
/// running.
pub(super) fn examine(listen: &ListenSettings) -> Vec<Finding> {
    let addresses = [
        ("grpc_addr", Some(&listen.grpc)),
        ("management_addr", listen.management.as_ref()),
        ("http_addr", Some(&listen.http)),
        ("admin_addr", listen.admin.as_ref()),
    ];
    let tcp = addresses.into_iter().filter_map(|(setting, address)| match address? {
        ListenAddress::Tcp(address) => Some((setting, *address)),
        ListenAddress::Unix(_) => None,
    });
    tcp.filter_map(|(setting, address)| finding(setting, address, &probe(address).err()?)).collect()
}

/// Takes the address for a moment by UDP, for which the same rules hold, so that no client can connect to this process.
fn probe(address: SocketAddr) -> io::Result<()> {
    UdpSocket::bind(address).map(drop)
}

fn finding(setting: &str, address: SocketAddr, error: &io::Error) -> Option<Finding> {
    let ip = address.ip();
    let (cause, remedy) = match error.kind() {
        ErrorKind::AddrInUse => return None,
        ErrorKind::PermissionDenied => (
            format!("this user may not listen on port {}", address.port()),
            "choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE",
        ),
        ErrorKind::AddrNotAvailable => {
            (format!("{ip} is no address of this machine"), "correct it, or listen on 0.0.0.0 or [::]")
        }
        _ => (error.to_string(), "correct it"),
    };
    Some(warning(&format!("{setting}: {cause}, so that a start here fails"), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_this_machine_does_not_have_is_reported() {
        let reported = |address: &str| {
            let address: SocketAddr = address.parse().unwrap();
            finding("grpc_addr", address, &probe(address).err()?)
        };
        // Addresses for documentation (RFC 5737), which no machine has.
        let found = reported("203.0.113.5:50051").unwrap();
        assert!(found.message.contains("grpc_addr: 203.0.113.5 is no address of this machine"), "{found:?}");
        assert!(reported("127.0.0.1:0").is_none() && reported("0.0.0.0:0").is_none());
    }

    #[test]
    fn a_port_that_is_in_use_is_not_reported_and_a_privileged_one_is() {
        let of = |kind: ErrorKind| finding("http_addr", "127.0.0.1:80".parse().unwrap(), &kind.into());
        assert!(of(ErrorKind::AddrInUse).is_none());
        let found = of(ErrorKind::PermissionDenied).unwrap();
        assert!(found.message.contains("http_addr: this user may not listen on port 80"), "{found:?}");
    }
}
