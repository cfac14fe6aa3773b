//! Suffixes of the last segment, which some servers drop.

use super::*;

const SHOP: [(&str, &str); 5] = [
    ("POST", "/v1/transactions/{id}/void"),
    ("GET", "/v1/reports/export"),
    ("", "/v1/reports/feed.xml"),
    ("", "/v1/items/{id}"),
    ("", "/v1/**"),
];

#[test]
fn a_suffix_takes_no_call_from_a_narrow_route_to_a_wide_one() {
    let refused = Err(RouteRefusal::Suffix);
    let unambiguous = routes(&SHOP);
    let distinct = routes(&SHOP).distinguish_suffix(true);
    for (method, path, expected) in [
        ("POST", "/v1/transactions/7/void", Ok(Some(0))),
        ("POST", "/v1/transactions/7/void.json", refused),
        ("POST", "/v1/transactions/7/void.tar.gz", refused),
        ("POST", "/v1/transactions/7/void.", refused),
        ("POST", "/v1/transactions/7/void..", refused),
        ("POST", "/v1/transactions/7/void%20", refused),
        ("POST", "/v1/transactions/7/void%2Ejson", refused),
        ("POST", "/v1/transactions/7/VOID.json", refused),
        ("POST", "/v1/transactions/7/void.json/", refused),
        ("POST", "/v1/transactions/7/void.json;x=1", refused),
        ("GET", "/v1/reports/export.csv", refused),
        ("HEAD", "/v1/reports/export.csv", refused),
        ("POST", "/v1/reports/export.csv", refused),
        ("GET", "/v1/reports/exports.csv", Ok(Some(4))),
        ("GET", "/v1/reports/feed.xml", Ok(Some(2))),
        ("GET", "/v1/items/7.5", Ok(Some(3))),
        ("GET", "/v1/items/alice@example.com", Ok(Some(3))),
        ("GET", "/v1/items/.env", Ok(Some(3))),
        ("GET", "/v1/logo.png", Ok(Some(4))),
        ("GET", "/v1.0/reports/export", Ok(None)),
    ] {
        assert_eq!(found(&unambiguous, method, path), expected, "{method} {path}");
    }
    for path in ["/v1/reports/export.csv", "/v1/reports/export."] {
        assert_eq!(found(&distinct, "GET", path), Ok(Some(4)), "{path}");
    }
    assert!(distinct.distinguishes_suffix() && !unambiguous.distinguishes_suffix());
}

#[test]
fn a_suffix_makes_no_path_of_a_route_unmatched() {
    let routes = routes(&[("GET", "/v1/reports/export")]);
    assert_eq!(found(&routes, "GET", "/v1/reports/export.csv"), Err(RouteRefusal::Suffix));
    assert_eq!(found(&routes, "POST", "/v1/reports/export.csv"), Err(RouteRefusal::Suffix));
    assert_eq!(found(&routes, "GET", "/v1/reports/other.csv"), Ok(None));
}

#[test]
fn a_suffix_does_not_matter_between_routes_with_the_same_requirements() {
    let routes = Routes::new(vec![route(&("", "/v1/orders")), route(&("", "/v1/**"))]);
    assert_eq!(found(&routes, "GET", "/v1/orders.json"), Ok(Some(1)));
}

#[test]
fn a_path_without_a_canonical_form_is_refused_with_the_cause() {
    let routes = routes(&SHOP);
    for (path, message) in [
        ("x", "The path does not begin with a slash."),
        ("*", "The path does not begin with a slash."),
        ("/%zz", "The path has a broken percent-encoding."),
        ("/v1/%252e", "The path is percent-encoded twice."),
    ] {
        let refusal = found(&routes, "GET", path).unwrap_err();
        assert_eq!(refusal.message(), message, "{path}");
    }
}
