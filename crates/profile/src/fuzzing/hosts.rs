//! Target of hosts and host patterns.

use crate::hosts::{HostMap, HostPattern, canonical_host};

/// Reads the first line as a `Host` header and the others as patterns, and finds the host among the patterns.
///
/// # Panics
///
/// Panics if the canonical form of a host is not canonical, if a pattern does not come back from its text, or if a host
/// finds other patterns than those that cover it.
pub fn hosts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let host = canonical_host(lines.next().unwrap_or_default());
    if let Some(host) = &host {
        assert_canonical(text, host);
    }
    let (mut map, mut patterns) = (HostMap::default(), Vec::new());
    for pattern in lines.filter_map(|line| HostPattern::parse(line).ok()) {
        assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern.clone()));
        assert!(pattern.covers(&pattern) && HostPattern::Any.covers(&pattern));
        let known = patterns.contains(&pattern);
        assert_eq!(map.add(pattern.clone(), patterns.len()), !known, "{pattern}");
        if !known {
            patterns.push(pattern);
        }
    }
    let Some(host) = host else { return };
    let exact = HostPattern::Exact((&*host).into());
    let found: Vec<&HostPattern> = map.matching(&host).map(|index| &patterns[*index]).collect();
    let covering = patterns.iter().filter(|pattern| pattern.covers(&exact)).count();
    assert_eq!(found.len(), covering, "{host} finds {found:?} of {patterns:?}");
    assert!(found.iter().all(|pattern| pattern.covers(&exact)), "{host} finds {found:?}");
    assert!(found.windows(2).all(|pair| pair[1].covers(pair[0])), "{host} finds {found:?} in this order");
}

fn assert_canonical(text: &str, host: &str) {
    assert_eq!(canonical_host(host).as_deref(), Some(host));
    let raw = text.split('\n').next().unwrap_or_default();
    if host.starts_with('[') {
        assert!(host.ends_with(']') && raw.starts_with('['), "{raw:?} is {host:?}");
        return;
    }
    // A proxy that cuts the port at the first colon, and one that does at the last, find the same host.
    let last = raw.rsplit_once(':').map_or(raw, |(host, _)| host);
    for cut in [raw.split(':').next().unwrap_or_default(), last] {
        let plain = cut.strip_suffix('.').unwrap_or(cut).to_ascii_lowercase();
        assert_eq!(plain, host, "{raw:?}");
    }
    assert!(host.len() <= 253 && host.split('.').all(|label| (1..=63).contains(&label.len())), "{host:?}");
    let in_label = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    assert!(host.bytes().all(in_label), "{host:?}");
}
