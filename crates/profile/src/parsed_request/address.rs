//! The client's address. Envoy's peer may be a proxy. The document sets the number of trusted proxies. Entries of
//! `x-forwarded-for` are counted from the right, because a client can forge all entries to the left of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use crate::request::Request;

/// Sources of the client's address.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientAddress {
    /// Number of trusted proxies in front of Envoy.
    pub(crate) trusted_hops: usize,
    /// Name, in lower case, of a header that the proxy in front sets itself.
    pub(crate) header: Option<Box<str>>,
    /// Networks of Envoys that are trusted at Latchkey's own HTTP port.
    pub(crate) envoys: Vec<IpNet>,
}

impl ClientAddress {
    /// Returns the address of the client, or the peer's address if no better one is known.
    pub(crate) fn of(&self, request: &Request<'_>) -> Option<IpAddr> {
        if request.direct {
            return request.peer;
        }
        let from_header = self.header.as_deref().and_then(|name| single(request, name));
        from_header.or_else(|| self.behind_proxies(request)).or(request.peer)
    }

    /// Returns the address of the peer of the Envoy that forwarded a request, by the entry that Envoy appended. Returns
    /// `None` if the request did not come through a listed Envoy.
    pub(crate) fn peer_of_envoy(&self, request: &Request<'_>) -> Option<IpAddr> {
        let peer = request.peer?.to_canonical();
        if !self.envoys.iter().any(|network| network.contains(&peer)) {
            return None;
        }
        let last = request.values("x-forwarded-for").last()?;
        address(last.rsplit(|b| *b == b',').next()?)
    }

    fn behind_proxies(&self, request: &Request<'_>) -> Option<IpAddr> {
        if self.trusted_hops == 0 {
            return None;
        }
        let values: Vec<&[u8]> = request.values("x-forwarded-for").collect();
        let entries = || values.iter().rev().flat_map(|v| v.rsplit(|b| *b == b','));
        let last = entries().next().and_then(address);
        // Envoy appends its peer unless it is configured not to; that entry does not come from a proxy. In place of
        // a peer on its own machine, it appends its own address in the local network.
        let own = request.peer.is_some_and(|peer| peer.to_canonical().is_loopback())
            && last.is_some_and(is_local)
            && entries().nth(self.trusted_hops).is_some();
        let appended = last == request.peer || own;
        let skipped = if appended { self.trusted_hops } else { self.trusted_hops - 1 };
        entries().nth(skipped).and_then(address)
    }
}

/// First and last address of the shared address space (RFC 6598), which some clouds use for their machines.
const SHARED: std::ops::RangeInclusive<Ipv4Addr> =
    Ipv4Addr::new(100, 64, 0, 0)..=Ipv4Addr::new(100, 127, 255, 255);

/// Returns true for an address that is not reachable from the internet.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback() || SHARED.contains(&v4),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// Returns the value of a header if it occurs once and is an address.
fn single(request: &Request<'_>, name: &str) -> Option<IpAddr> {
    let mut values = request.values(name);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    address(value)
}

/// Reads an address, with or without a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|a| a.ip());
    text.parse().ok().or_else(with_port).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Header;

    fn client(hops: usize, peer: &str, forwarded: &[&str]) -> String {
        let header = |v: &&'static str| Header { name: b"x-forwarded-for", value: v.as_bytes() };
        let forwarded: Vec<&'static str> = forwarded.iter().map(|f| &*(*f).to_owned().leak()).collect();
        let request = Request {
            headers: forwarded.iter().map(header).collect(),
            peer: peer.parse().ok(),
            ..Request::default()
        };
        let address = ClientAddress { trusted_hops: hops, ..ClientAddress::default() };
        address.of(&request).map_or_else(String::new, |a| a.to_string())
    }

    #[test]
    fn without_proxies_the_peer_is_the_client() {
        assert_eq!(client(0, "10.0.0.1", &["6.6.6.6, 10.0.0.1"]), "10.0.0.1");
        assert_eq!(client(0, "", &["6.6.6.6"]), "");
    }

    #[test]
    fn entries_are_counted_from_the_right() {
        assert_eq!(client(1, "10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.1"]), "1.2.3.4");
        assert_eq!(client(1, "10.0.0.1", &["6.6.6.6, 1.2.3.4", "10.0.0.1"]), "1.2.3.4");
        assert_eq!(client(2, "10.0.0.1", &["6.6.6.6,1.2.3.4:99,10.0.0.2,10.0.0.1"]), "1.2.3.4");
        assert_eq!(client(1, "::1", &["6.6.6.6, [2001:db8::1]:443, ::1"]), "2001:db8::1");
    }

    #[test]
    fn a_peer_that_was_not_appended_is_not_counted() {
        assert_eq!(client(1, "10.0.0.1", &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn behind_a_proxy_on_the_same_machine_envoys_own_address_is_not_the_client() {
        assert_eq!(client(1, "127.0.0.1", &["1.2.3.4, 10.0.0.5"]), "1.2.3.4");
        assert_eq!(client(1, "127.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.5"]), "1.2.3.4");
        assert_eq!(client(1, "::1", &["1.2.3.4, fd00::5"]), "1.2.3.4");
        assert_eq!(client(1, "127.0.0.1", &["198.51.100.4, 100.64.0.7"]), "198.51.100.4", "RFC 6598");
        assert_eq!(client(1, "127.0.0.1", &["198.51.100.4, 100.128.0.7"]), "100.128.0.7");
        assert_eq!(
            client(2, "127.0.0.1", &["198.51.100.4, 100.128.0.7"]),
            "198.51.100.4",
            "counted as a proxy"
        );
        assert_eq!(client(1, "127.0.0.1", &["6.6.6.6, 1.2.3.4"]), "1.2.3.4");
        assert_eq!(client(1, "127.0.0.1", &["10.9.9.9"]), "10.9.9.9");
        assert_eq!(client(2, "127.0.0.1", &["1.2.3.4, 10.0.0.9, 10.0.0.5"]), "1.2.3.4");
    }

    #[test]
    fn too_few_entries_or_an_invalid_address_fall_back_to_the_peer() {
        assert_eq!(client(3, "10.0.0.1", &["6.6.6.6, 10.0.0.1"]), "10.0.0.1");
        assert_eq!(client(1, "10.0.0.1", &["unknown, 10.0.0.1"]), "10.0.0.1");
        assert_eq!(client(1, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_header_of_the_proxy_takes_precedence_if_it_is_one_address() {
        let header = Some("x-envoy-external-address".into());
        let address = ClientAddress { header, ..ClientAddress::default() };
        for (value, client) in [("1.2.3.4", "1.2.3.4"), ("1.2.3.4, 5.6.7.8", "10.0.0.1"), ("", "10.0.0.1")] {
            let header = Header { name: b"x-envoy-external-address", value: value.as_bytes() };
            let peer = "10.0.0.1".parse().ok();
            let request = Request { headers: [header].into_iter().collect(), peer, ..Request::default() };
            assert_eq!(address.of(&request).unwrap().to_string(), client, "{value}");
        }
    }

    #[test]
    fn a_listed_envoy_gives_the_address_of_its_peer() {
        let envoys = vec!["10.0.0.0/8".parse().unwrap()];
        let address = ClientAddress { envoys, ..ClientAddress::default() };
        for (peer, forwarded, expected) in [
            ("10.0.0.1", "6.6.6.6, 1.2.3.4", Some("1.2.3.4")),
            ("::ffff:10.0.0.1", "1.2.3.4", Some("1.2.3.4")),
            ("10.0.0.1", "", None),
            ("11.0.0.1", "1.2.3.4", None),
        ] {
            let header = Header { name: b"x-forwarded-for", value: forwarded.as_bytes() };
            let peer = peer.parse().ok();
            let request = Request { headers: [header].into_iter().collect(), peer, ..Request::default() };
            assert_eq!(
                address.peer_of_envoy(&request),
                expected.and_then(|a| a.parse().ok()),
                "{peer:?} {forwarded}"
            );
            let direct = Request { direct: true, ..request };
            assert_eq!(address.of(&direct), peer, "no header is used for a direct request");
        }
    }
}
