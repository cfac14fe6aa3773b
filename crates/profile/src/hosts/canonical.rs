//! Canonical form of a `Host` header: the text that a proxy compares with the names of its hosts.

use std::borrow::Cow;

/// Longest name of a host and longest label of it, in bytes (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Classes of bytes in a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HostByte {
    /// A part of a label.
    Label,
    /// A part of a label that has a canonical form of its own.
    Upper,
    Dot,
    Other,
}

static HOST_BYTES: [HostByte; 256] = {
    let (mut classes, mut byte) = ([HostByte::Other; 256], 0u8);
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => HostByte::Label,
            b'A'..=b'Z' => HostByte::Upper,
            b'.' => HostByte::Dot,
            _ => HostByte::Other,
        };
        byte += 1;
    }
    classes
};

/// Returns the host of a `Host` header in canonical form: lower case, and without its port. Returns `None` for a text
/// that is not labels or an address in brackets, with or without a port of digits, for a dot at its end, and for
/// another spelling of an address than its canonical one (RFC 5952). A proxy may compare such a text as a whole, and
/// choose another host than its parts suggest. Envoy removes one dot at the end, so that one which is left was the second.
pub(crate) fn canonical_host(raw: &str) -> Option<Cow<'_, str>> {
    if let Some(rest) = raw.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let sent = &raw[..address.len() + 2];
        let canonical = bracketed(sent).filter(|canonical| canonical.eq_ignore_ascii_case(sent))?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
            .then_some(Cow::Owned(canonical));
    }
    let (mut label, mut upper, mut end) = (0, false, raw.len());
    for (at, byte) in raw.bytes().enumerate() {
        match HOST_BYTES[usize::from(byte)] {
            HostByte::Label => label += 1,
            HostByte::Upper => (label, upper) = (label + 1, true),
            HostByte::Dot if (1..=MAX_LABEL_BYTES).contains(&label) => label = 0,
            HostByte::Other if byte == b':' && is_port(&raw[at + 1..]) => {
                end = at;
                break;
            }
            HostByte::Dot | HostByte::Other => return None,
        }
    }
    let host = &raw[..end];
    if !(1..=MAX_LABEL_BYTES).contains(&label) || host.len() > MAX_HOST_BYTES {
        return None;
    }
    Some(if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) })
}

/// Returns the canonical spelling of an IPv6 address in brackets.
pub(super) fn bracketed(text: &str) -> Option<String> {
    let address: std::net::Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(format!("[{address}]"))
}

/// Returns true for the number of a port.
pub(super) fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_canonical_form() {
        for (raw, canonical) in [
            ("API.paykore.dev", "api.paykore.dev"),
            ("api.paykore.dev:443", "api.paykore.dev"),
            ("my_service-1", "my_service-1"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(canonical_host(raw).as_deref(), Some(canonical), "{raw}");
        }
    }

    #[test]
    fn a_text_that_proxies_read_as_different_hosts_is_no_host() {
        let long = format!("{}.dev", "a".repeat(64));
        let longer = "a.".repeat(127) + "dev";
        for raw in [
            "",
            ".",
            ":80",
            ".api.dev",
            "api..dev",
            "api.dev.",
            "api.dev.:8443",
            "api.dev..",
            "api.dev..:80",
            "api.dev:",
            "api.dev:80:80",
            "api.dev:.other.dev",
            "api.dev:80.other.dev",
            "x.api.dev:80@other.dev",
            "user@api.dev",
            "api.dev:+80",
            "api.dev:70000",
            "api.dev:123456",
            "api.dev:٣",
            "api.dev/x",
            "api.dev?x",
            "api.dev#x",
            "api.dev\\x",
            "api.dev ",
            " api.dev",
            "api dev",
            "api.dev,other.dev",
            "api%2edev",
            "api.dev\u{0}",
            "api.dev\t",
            "café.dev",
            "*.api.dev",
            "::1",
            "[::1",
            "[::1]x",
            "[::1].dev",
            "[::1]:",
            "[::1]:80:80",
            "[::1%25eth0]",
            "[v1.x]",
            "[127.0.0.1]",
            "[0:0:0:0:0:0:0:1]",
            "[0:0::1]",
            "[::0001]:80",
            "[2001:DB8:0::1]",
            "[::0.0.0.1]",
            &long,
            &longer,
        ] {
            assert_eq!(canonical_host(raw), None, "{raw:?}");
        }
    }
}
