//! Hand-written messages, each with one unusual property.

use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;

use super::*;

#[test]
fn metadata_nests_as_deep_as_prost_allows() {
    let nested = |levels: usize| {
        let mut path: Vec<u8> = Vec::new();
        // A value in a list in a value, and so on, in an entry of a struct in an entry of the metadata.
        (0..levels).for_each(|_| path.extend([1, 6]));
        path.extend([2, 1, 2, 1, 11, 1]);
        wrapped(vec![0x1a, 0x01, b'x'], &path)
    };
    let mut accepted = Vec::new();
    for levels in 40..55 {
        let bytes = nested(levels);
        assert_eq!(ours(&bytes), theirs(&bytes), "{levels}");
        accepted.push(ours(&bytes).is_some());
    }
    assert!(accepted.contains(&true) && accepted.contains(&false));
}

#[test]
fn an_entry_of_a_map_is_read_for_every_wire_type_of_its_key() {
    // A label of the source, a header, a context extension, a value of the metadata.
    let maps: [(u8, &[u8]); 4] = [(3, &[1, 1]), (3, &[2, 4, 1]), (10, &[1]), (1, &[2, 1, 11, 1])];
    for (number, path) in maps {
        for wire in 0..6 {
            let bytes = wrapped(vec![number << 3 | wire, 3, 0x0a, 0x01, b'x'], path);
            assert_eq!(ours(&bytes), theirs(&bytes), "{number} at {path:?}, wire type {wire}");
            assert!(ours(&bytes).is_some());
        }
    }
}

#[test]
fn an_upper_case_header_name_is_converted() {
    let headers = [("X-Api-Key", "a"), ("x-api-key", "b"), ("accept", "c")];
    let headers = headers.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
    let request = HttpRequest { headers, ..HttpRequest::default() };
    let request = attribute_context::Request { http: Some(request), time: None };
    let attributes = Some(AttributeContext { request: Some(request), ..Default::default() });
    let bytes = CheckRequest { attributes }.encode_to_vec();
    let (lowercase_names, mut view) = (LowercaseNames::new(), CheckRequestView::default());
    view.read(&bytes, &lowercase_names).unwrap();
    assert_eq!(view.request.headers.iter().filter(|h| h.name == b"x-api-key").count(), 2);
}

#[test]
fn an_empty_message_has_no_http_request() {
    let (lowercase_names, mut view) = (LowercaseNames::new(), CheckRequestView::default());
    view.read(&[], &lowercase_names).unwrap();
    assert!(!view.http && view.request.headers.is_empty());
}
