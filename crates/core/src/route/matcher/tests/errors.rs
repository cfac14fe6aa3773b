//! Methods that a path has.

use super::*;

fn allowed(routes: &Routes, path: &str) -> String {
    routes.allowed_methods(&parse(path)).join(", ")
}

#[test]
fn a_path_has_the_methods_that_find_a_route() {
    let routes = routes(&[
        ("POST", "/v1/orders"),
        ("GET", "/v1/orders"),
        ("GET", "/v1/orders/{id}"),
        ("PATCH", "/v1/orders/{id}"),
        ("OPTIONS", "/**"),
        ("", "/v1/reports/**"),
        ("DELETE", "/v1/reports/{id}"),
    ]);
    for (path, expected) in [
        ("/v1/orders", "POST, GET, HEAD, OPTIONS"),
        ("/v1/orders?page=1", "POST, GET, HEAD, OPTIONS"),
        ("/v1/orders/7", "GET, HEAD, PATCH, OPTIONS"),
        ("/elsewhere", "OPTIONS"),
        // A server that does not merge slashes reads another path, which has OPTIONS alone.
        ("/v1//orders", "OPTIONS"),
        ("//orders", ""),
    ] {
        assert_eq!(allowed(&routes, path), expected, "{path}");
    }
}

#[test]
fn a_route_for_options_alone_gives_no_path() {
    let routes = routes(&[("OPTIONS", "/**"), ("OPTIONS,GET", "/v1/orders"), ("", "/v1/reports")]);
    for (path, expected) in
        [("/v1/orders", true), ("/v1//orders", true), ("/v1/reports", true), ("/v1", false), ("//v1", false)]
    {
        assert_eq!(routes.has_path(&parse(path)), expected, "{path}");
    }
}

#[test]
fn a_method_behind_a_route_for_any_method_is_not_listed() {
    let routes = routes(&[("GET", "/v1/orders"), ("", "/v1/**"), ("DELETE", "/v1/orders")]);
    assert_eq!(found(&routes, "DELETE", "/v1/orders"), Err(RouteRefusal::Method));
    assert_eq!(allowed(&routes, "/v1/orders"), "GET, HEAD");
}

#[test]
fn a_method_that_a_reading_of_the_path_does_not_have_is_not_listed() {
    let routes = routes(&[("GET", "/v1/EXPORT"), ("POST", "/v1/export"), ("GET,POST", "/v1/{name}")]);
    assert_eq!(allowed(&routes, "/v1/other"), "GET, HEAD, POST");
    assert_eq!(allowed(&routes, "/v1/Export"), "", "a server that ignores letter case has other routes");
}

proptest! {
    #[test]
    fn each_listed_method_finds_a_route_and_no_other_one_does(
        all in prop::collection::vec(("(GET|POST|PUT|HEAD)?", "/(a|b|\\{x\\})(/(a|\\{y\\}|\\*\\*))?"), 1..6),
        path in "/(a|b|c)(/(a|c|;x))?/?",
    ) {
        let all: Vec<(&str, &str)> = all.iter().map(|(method, path)| (&**method, &**path)).collect();
        let routes = routes(&all);
        let listed = routes.allowed_methods(&parse(&path));
        for method in ["GET", "POST", "PUT", "HEAD", "DELETE"] {
            let takes = matches!(found(&routes, method, &path), Ok(Some(_)));
            prop_assert!(takes || !listed.contains(&method), "{method} {path}");
            let refused = found(&routes, "DELETE", &path) == Err(RouteRefusal::Method);
            prop_assert!(!refused || takes == listed.contains(&method), "{method} {path}: {listed:?}");
        }
    }
}

#[test]
fn a_route_for_options_alone_takes_no_call_from_another_route() {
    let all = [
        ("GET", "/v1/files/{name}"),
        ("POST", "/v1/orders/{id}:cancel"),
        ("GET", "/v1/any/**"),
        ("POST", "/v1/exports/**"),
        ("GET", "/v1/exports"),
    ];
    let preflights = [("OPTIONS", "/**")];
    for routes in [routes(&all), routes(&[&all[..], &preflights[..]].concat())] {
        for (method, path, expected) in [
            ("GET", "/v1/files/x/", Ok(Some(0))),
            ("POST", "/v1/orders/7.5:cancel", Ok(Some(1))),
            ("GET", "/v1/any/index.php/foo", Ok(Some(2))),
            ("GET", "/v1/exports/", Err(RouteRefusal::Readings)),
        ] {
            assert_eq!(found(&routes, method, path), expected, "{method} {path}");
        }
    }
    // No route was found for the path itself.
    let routes = routes(&[("OPTIONS", "/v1/pages/**")]);
    assert_eq!(found(&routes, "GET", "/index.php/v1/pages/1"), Err(RouteRefusal::PathInfo));
}
