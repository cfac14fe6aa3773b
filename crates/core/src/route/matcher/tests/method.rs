//! Methods that no route of a path takes.

use super::*;

#[test]
fn a_method_that_no_route_of_the_path_takes_falls_to_no_wider_route() {
    let all = [("POST", "/v1/{id}/void"), ("GET", "/v1/reports/**"), ("", "/v1/reports/**"), ("", "/v1/**")];
    let routes = routes(&all);
    let refused = Err(RouteRefusal::Method);
    for (method, path, expected) in [
        ("POST", "/v1/7/void", Ok(Some(0))),
        ("DELETE", "/v1/7/void", refused),
        ("GET", "/v1/7/void", refused),
        ("post", "/v1/7/void", refused),
        ("", "/v1/7/void", refused),
        ("OPTIONS", "/v1/7/void", refused),
        ("GET", "/v1/reports/x", Ok(Some(1))),
        ("get", "/v1/reports/x", refused),
        ("delete", "/v1/reports/x", Ok(Some(2))),
        ("DELETE", "/v1/reports/x", Ok(Some(2))),
        ("DELETE", "/v1/else", Ok(Some(3))),
    ] {
        assert_eq!(found(&routes, method, path), expected, "{method} {path}");
    }
    let alone = self::routes(&[("GET", "/v1/x")]);
    assert_eq!(found(&alone, "POST", "/v1/x"), refused, "a path of a route is never unmatched");
}

#[test]
fn a_method_that_no_route_of_the_path_takes_falls_to_no_overlapping_route() {
    let routes = routes(&[("GET", "/{store}/export"), ("", "/users/**"), ("GET", "/**"), ("", "/open/{id}")]);
    let refused = Err(RouteRefusal::Method);
    for (method, path, expected) in [
        ("GET", "/users/export", Ok(Some(0))),
        ("POST", "/users/export", refused),
        ("DELETE", "/users/export", refused),
        ("DELETE", "/users/7", Ok(Some(1))),
        ("POST", "/open/7", Ok(Some(3))),
        ("POST", "/open/export", refused),
    ] {
        assert_eq!(found(&routes, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_wider_route_that_names_the_method_takes_it() {
    let routes = routes(&[("GET", "/v1/orders/{id}"), ("DELETE", "/v1/orders/**"), ("OPTIONS", "/**")]);
    assert_eq!(found(&routes, "DELETE", "/v1/orders/7"), Ok(Some(1)));
    assert_eq!(found(&routes, "OPTIONS", "/v1/orders/7"), Ok(Some(2)), "a browser's preflight");
    assert_eq!(found(&routes, "PUT", "/v1/orders/7"), Err(RouteRefusal::Method));
}

#[test]
fn head_is_a_get_without_a_body() {
    let routes = routes(&[("GET", "/v1/reports/**"), ("HEAD", "/v1/other"), ("", "/v1/**")]);
    assert_eq!(found(&routes, "HEAD", "/v1/reports/export"), Ok(Some(0)));
    assert_eq!(found(&routes, "HEAD", "/v1/other"), Ok(Some(1)));
    assert_eq!(found(&routes, "GET", "/v1/other"), Err(RouteRefusal::Method));
}

#[test]
fn a_method_that_no_route_takes_makes_no_path_unambiguous() {
    let open = Route { encoded_slash: true, ..route(&("GET", "/things/{id}")) };
    let routes = Routes::new(vec![open, route(&("GET", "/items/{id}")), route(&("GET", "/items"))]);
    for (path, expected) in [
        ("/items/1", RouteRefusal::Method),
        ("/items;x/1", RouteRefusal::Readings),
        ("/items/a%2Fb", RouteRefusal::EncodedSlash),
        ("/things/a%2Fb", RouteRefusal::Method),
    ] {
        assert_eq!(found(&routes, "DELETE", path), Err(expected), "{path}");
    }
    let routes = self::routes(&[("GET", "/v1/{any}"), ("POST", "/v1/export")]);
    for (path, expected) in [
        ("/v1/other", RouteRefusal::Method),
        ("/v1/EXPORT", RouteRefusal::LetterCase),
        ("/v1/export.csv", RouteRefusal::Suffix),
    ] {
        assert_eq!(found(&routes, "POST", path), Err(expected), "{path}");
    }
}
