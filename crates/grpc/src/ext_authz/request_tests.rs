//! Comparison of the reader with prost and `envoy-types`: both accept the same messages with the same meaning,
//! including damaged, concatenated and arbitrary ones.

use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, Metadata, Pipe, SocketAddress, address, socket_address,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, TlsSession};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, attribute_context};
use envoy_types::pb::google::protobuf::{Struct, Timestamp, Value, value};
use proptest::prelude::*;
use prost::Message as _;

use super::comparison::{ours, theirs};
use super::*;

#[path = "request_edge_cases.rs"]
mod edge_cases;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z-]{0,12}", "[ -~]{0,40}", "\\PC{0,8}"]
}

fn map() -> impl Strategy<Value = std::collections::HashMap<String, String>> {
    prop::collection::hash_map(text(), text(), 0..20)
}

fn address() -> impl Strategy<Value = Address> {
    let socket = (prop_oneof!["10\\.0\\.0\\.[1-9]", Just("::1".to_owned()), text()], any::<u16>()).prop_map(
        |(address, port)| {
            let port_specifier = Some(socket_address::PortSpecifier::PortValue(port.into()));
            address::Address::SocketAddress(SocketAddress { address, port_specifier, ..Default::default() })
        },
    );
    let pipe = text().prop_map(|path| address::Address::Pipe(Pipe { path, mode: 1 }));
    prop::option::of(prop_oneof![3 => socket, 1 => pipe]).prop_map(|address| Address { address })
}

fn peer() -> impl Strategy<Value = Peer> {
    (prop::option::of(address()), text(), map()).prop_map(|(address, service, labels)| Peer {
        address,
        labels,
        certificate: service.clone(),
        principal: service.clone(),
        service,
    })
}

fn header() -> impl Strategy<Value = HeaderValue> {
    let raw = prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..20)];
    (text(), text(), raw).prop_map(|(key, value, raw_value)| HeaderValue { key, value, raw_value })
}

fn http() -> impl Strategy<Value = HttpRequest> {
    let texts = (text(), text(), text(), text());
    let list_headers = prop::option::of(prop::collection::vec(header(), 0..10));
    let body = prop::collection::vec(any::<u8>(), 0..30);
    (texts, map(), list_headers, body, any::<i64>()).prop_map(
        |((method, path, host, body), headers, list_headers, raw_body, size)| {
            let header_map = list_headers.map(|headers| HeaderMap { headers });
            let id = body.clone();
            HttpRequest {
                id,
                method,
                path,
                host,
                headers,
                header_map,
                body,
                raw_body,
                size,
                ..Default::default()
            }
        },
    )
}

fn metadata() -> impl Strategy<Value = Metadata> {
    (text(), any::<f64>()).prop_map(|(key, number)| {
        let leaf = Value { kind: Some(value::Kind::NumberValue(number)) };
        let inner = Struct { fields: [(key.clone(), leaf)].into_iter().collect() };
        let nested = Value { kind: Some(value::Kind::StructValue(inner)) };
        let outer = Struct { fields: [(key.clone(), nested)].into_iter().collect() };
        Metadata { filter_metadata: [(key, outer)].into_iter().collect(), ..Default::default() }
    })
}

fn check_request() -> impl Strategy<Value = CheckRequest> {
    let peers = (prop::option::of(peer()), prop::option::of(peer()));
    let rest = (map(), prop::option::of(metadata()), prop::option::of(text()));
    (peers, prop::option::of(prop::option::of(http())), rest).prop_map(
        |((source, destination), request, rest)| {
            let (context_extensions, metadata_context, sni) = rest;
            let time = Some(Timestamp { seconds: 1, nanos: 2 });
            CheckRequest {
                attributes: Some(AttributeContext {
                    source,
                    destination,
                    request: request.map(|http| attribute_context::Request { time, http }),
                    context_extensions,
                    metadata_context,
                    tls_session: sni.map(|sni| TlsSession { sni }),
                    ..Default::default()
                }),
            }
        },
    )
}

/// Generates bytes that mostly look like fields, with small keys and small lengths.
fn field_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![0u8..0x70, any::<u8>(), Just(0x0a), Just(0x02)], 0..60)
}

/// Wraps bytes in length-delimited fields of these numbers, the outermost last.
fn wrapped(mut bytes: Vec<u8>, path: &[u8]) -> Vec<u8> {
    for number in path {
        let mut outer = crate::wire::writer::Writer::append_to(Vec::new());
        outer.bytes(*number, &bytes);
        bytes = outer.finish();
    }
    bytes
}

const NESTING_PATHS: [&[u8]; 14] = [
    &[],
    &[1],
    &[4, 1],
    &[2, 4, 1],
    &[3, 2, 4, 1],
    &[13, 2, 4, 1],
    &[1, 13, 2, 4, 1],
    &[1, 4, 1],
    &[1, 1],
    &[1, 1, 1],
    &[1, 1, 1, 1],
    &[1, 2, 1],
    &[11, 1],
    &[1, 2, 1, 11, 1],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_message_means_the_same(message in check_request()) {
        let bytes = message.encode_to_vec();
        let ours = ours(&bytes);
        prop_assert!(ours.is_some());
        prop_assert_eq!(ours, theirs(&bytes));
    }

    #[test]
    fn two_concatenated_messages_are_merged_alike(one in check_request(), two in check_request()) {
        let bytes = [one.encode_to_vec(), two.encode_to_vec()].concat();
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }

    #[test]
    fn a_damaged_message_is_accepted_or_rejected_alike(
        message in check_request(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..5),
    ) {
        let mut bytes = message.encode_to_vec();
        for (index, byte, operation) in mutations {
            if bytes.is_empty() {
                break;
            }
            let index = index.index(bytes.len());
            match operation {
                0 => bytes[index] = byte,
                1 => bytes.insert(index, byte),
                2 => drop(bytes.remove(index)),
                _ => bytes.truncate(index),
            }
        }
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }

    #[test]
    fn any_bytes_anywhere_are_accepted_or_rejected_alike(bytes in field_like_bytes(), path in prop::sample::select(&NESTING_PATHS[..])) {
        let bytes = wrapped(bytes, path);
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }
}
