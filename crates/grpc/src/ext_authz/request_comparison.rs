//! Meaning of a `CheckRequest` to the reader of this crate and to prost with `envoy-types`, for tests and fuzzing.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3::address;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use prost::Message as _;

use super::{CheckRequestView, LowercaseNames};

/// Parts of a message on which both readers must agree.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Meaning {
    http: bool,
    texts: [String; 3],
    headers: BTreeMap<String, Vec<Vec<u8>>>,
    body: Option<Vec<u8>>,
    peer: Option<IpAddr>,
    context: BTreeMap<String, String>,
}

/// Returns the meaning that the reader of this crate finds; `None` for a message that it rejects.
pub(crate) fn ours(message: &[u8]) -> Option<Meaning> {
    let (lowercase_names, mut view) = (LowercaseNames::new(), CheckRequestView::default());
    view.read(message, &lowercase_names).ok()?;
    let CheckRequestView { request, http } = view;
    let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for header in request.headers.iter() {
        headers
            .entry(String::from_utf8(header.name.to_vec()).expect("a name is a text"))
            .or_default()
            .push(header.value.to_vec());
    }
    for values in headers.values_mut() {
        values.sort();
    }
    assert_eq!(request.context.len(), request.context.iter().map(|(k, _)| k).collect::<HashSet<_>>().len());
    Some(Meaning {
        http,
        texts: [request.method, request.path, request.host.sent()].map(str::to_owned),
        headers,
        body: request.body.map(<[u8]>::to_vec),
        peer: request.peer,
        context: request.context.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    })
}

/// Returns the meaning that prost finds; `None` for a message that it rejects.
pub(crate) fn theirs(message: &[u8]) -> Option<Meaning> {
    let attributes = CheckRequest::decode(message).ok()?.attributes.unwrap_or_default();
    let address = attributes.source.and_then(|s| s.address).and_then(|a| a.address);
    let peer = match address {
        Some(address::Address::SocketAddress(socket)) => socket.address.parse().ok(),
        _ => None,
    };
    let http = attributes.request.and_then(|r| r.http);
    let present = http.is_some();
    let http = http.unwrap_or_default();
    let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in http.headers {
        headers.entry(name.to_ascii_lowercase()).or_default().push(value.into_bytes());
    }
    for header in http.header_map.unwrap_or_default().headers {
        let values = headers.entry(header.key.to_ascii_lowercase()).or_default();
        if header.raw_value.is_empty() || !header.value.is_empty() {
            values.push(header.value.into_bytes());
        }
        if !header.raw_value.is_empty() {
            values.push(header.raw_value);
        }
    }
    for values in headers.values_mut() {
        values.sort();
    }
    let bodies: Vec<Vec<u8>> =
        [http.body.into_bytes(), http.raw_body].into_iter().filter(|b| !b.is_empty()).collect();
    Some(Meaning {
        http: present,
        texts: [http.method, http.path, http.host],
        headers,
        body: (bodies.len() == 1).then(|| bodies.into_iter().next()).flatten(),
        peer,
        context: attributes.context_extensions.into_iter().collect(),
    })
}
