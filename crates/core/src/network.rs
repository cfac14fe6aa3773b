//! Networks as CIDR blocks. An IPv4-mapped IPv6 network (RFC 4291 section 2.5.5.2) is brought into the form of IPv4,
//! because client addresses are compared in that form.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Description of a valid network, for errors.
pub const EXPECTED: &str = "must be a CIDR block or an address, such as 192.0.2.0/24 or 2001:db8::/32; an IPv4-mapped \
                            network (::ffff:192.0.2.0/120) must lie within ::ffff:0:0/96";

/// Bits of the prefix that IPv4-mapped addresses have in common.
const MAPPED_BITS: u8 = 96;

/// Parses a CIDR block or a single address. Bits of the host are cleared. A network that contains IPv4-mapped addresses
/// and others is not valid, nor is a number with a zero before it, which some readers take as octal.
#[must_use]
pub fn parse(text: &str) -> Option<IpNet> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let Some(bits) = bits else { return canonical(IpNet::from(address)) };
    let is_plain = bits == "0" || bits.starts_with(|first: char| matches!(first, '1'..='9'));
    canonical(IpNet::new(address, bits.parse().ok().filter(|_| is_plain)?).ok()?)
}

/// Returns the network in the form in which addresses are compared with it.
fn canonical(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = network else { return Some(network.trunc()) };
    if v6.prefix_len() < MAPPED_BITS {
        let mapped: ipnet::Ipv6Net = "::ffff:0:0/96".parse().ok()?;
        // A network that is wider than all mapped addresses would seem to contain them, and never match one.
        let wider = v6.contains(&mapped) && v6.prefix_len() > 0;
        return (!wider).then(|| network.trunc());
    }
    match v6.addr().to_ipv4_mapped() {
        Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - MAPPED_BITS).ok().map(|v4| IpNet::V4(v4.trunc())),
        None => Some(network.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        parse(text).map(|network| network.to_string())
    }

    #[test]
    fn an_ipv4_mapped_network_becomes_one_of_ipv4() {
        assert_eq!(text("::ffff:10.1.0.0/112").as_deref(), Some("10.1.0.0/16"));
        assert_eq!(text("::ffff:0:0/96").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(text("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7/32"));
        assert_eq!(text("::ffff:c000:207/128").as_deref(), Some("192.0.2.7/32"));
    }

    #[test]
    fn other_networks_keep_their_form_without_the_bits_of_the_host() {
        for (given, expected) in [
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("192.0.2.9", "192.0.2.9/32"),
            ("2001:db8::9/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn a_number_with_a_zero_before_it_is_not_valid() {
        for bad in ["010.1.0.0/16", "10.1.2.08/32", "010.1.2.3", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_network_that_seems_to_contain_mapped_addresses_is_not_valid() {
        for bad in ["::ffff:0:0/95", "::/80", "::/8", "", "x", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }
}
