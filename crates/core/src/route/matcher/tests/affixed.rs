//! Segments with literal text around a parameter.

use super::*;

const ALL: [(&str, &str); 6] = [
    ("GET", "/accounts/me.json"),
    ("GET", "/accounts/{id}.json"),
    ("POST", "/orders/{id}:cancel"),
    ("", "/files/v{version}/{part}"),
    ("", "/orders/{id}"),
    ("", "/**"),
];

#[test]
fn a_route_takes_the_segments_that_have_its_text_around_a_value() {
    let routes = routes(&ALL);
    for (method, path, expected) in [
        ("GET", "/accounts/ac_1.json", 1),
        ("GET", "/accounts/%C3%A9.json", 1),
        ("GET", "/accounts/a.b.json", 1),
        ("GET", "/accounts/me.json", 0),
        ("GET", "/accounts/.json", 5),
        ("GET", "/accounts/ac_1", 5),
        ("GET", "/accounts/ac_1.xml", 5),
        ("GET", "/accounts/ac_1.json/calls", 5),
        ("POST", "/orders/7:cancel", 2),
        ("POST", "/orders/:cancel", 4),
        ("POST", "/orders/7:refund", 4),
        ("GET", "/files/v2/x", 3),
        ("GET", "/files/v/x", 5),
        ("GET", "/files/2/x", 5),
    ] {
        assert_eq!(found(&routes, method, path), Ok(Some(expected)), "{method} {path}");
    }
    // The methods of a narrower path are listed, so that a wider route for any method does not take it.
    assert_eq!(found(&routes, "GET", "/orders/7:cancel"), Err(RouteRefusal::Method));
}

#[test]
fn the_first_declared_of_overlapping_routes_wins() {
    for (one, two, path) in [
        ("/x/{id}.json", "/x/v{id}", "/x/v1.json"),
        ("/x/v{id}", "/x/{id}.json", "/x/v1.json"),
        ("/x/{id}", "/x/{id}.json", "/x/1.json"),
        ("/x/{id}.json", "/x/1.json", "/x/1.json"),
    ] {
        let routes = routes(&[("", one), ("", two)]).distinguish_suffix(true);
        assert_eq!(found(&routes, "GET", path), Ok(Some(0)), "{one} {two}");
    }
}

#[test]
fn the_text_around_a_value_is_no_way_around_a_route_by_other_spellings() {
    let routes = routes(&ALL);
    for (method, path, expected) in [
        ("GET", "/accounts/AC_1.json", Ok(Some(1))),
        ("GET", "/accounts/ac_1.JSON", Err(RouteRefusal::LetterCase)),
        ("GET", "/accounts/ac_1.j%C5%BFon", Err(RouteRefusal::LetterCase)),
        ("POST", "/orders/7:Cancel", Err(RouteRefusal::LetterCase)),
        ("POST", "/orders/7%3Acancel", Err(RouteRefusal::LetterCase)),
        ("POST", "/orders/7:cance%6C", Err(RouteRefusal::Readings)),
        ("POST", "/orders/7:cancel;a=1", Err(RouteRefusal::Readings)),
        ("POST", "/orders/7:cancel/", Err(RouteRefusal::Readings)),
        ("POST", "/orders/7:cancel.json", Err(RouteRefusal::Suffix)),
        ("POST", "/orders/7:cancel%20", Err(RouteRefusal::Suffix)),
        ("GET", "/files/V2/x", Err(RouteRefusal::LetterCase)),
    ] {
        assert_eq!(found(&routes, method, path), expected, "{method} {path}");
    }
    let sensitive = routes.case_sensitive(true);
    assert_eq!(found(&sensitive, "GET", "/accounts/ac_1.JSON"), Ok(Some(5)));
    assert_eq!(found(&sensitive, "POST", "/orders/7%3Acancel"), Err(RouteRefusal::Readings));
}

#[test]
fn the_text_after_a_value_begins_after_an_encoded_character() {
    let routes = routes(&[("", "/x/{id}3"), ("", "/x/{id}.json"), ("", "/x/{id}")]).case_sensitive(true);
    for (path, expected) in
        [("/x/13", 0), ("/x/%C3%A93", 0), ("/x/%C3%A3", 2), ("/x/%E2%82%A3", 2), ("/x/5%25.json", 1)]
    {
        assert_eq!(found(&routes, "GET", path), Ok(Some(expected)), "{path}");
    }
    assert_eq!(found(&routes.case_sensitive(false), "GET", "/x/5%25.json"), Ok(Some(1)));
}

#[test]
fn a_route_with_a_suffix_is_meant_for_it_unless_another_route_names_the_page() {
    let all = [
        ("GET", "/docs/admin"),
        ("GET", "/docs/{name}.html"),
        ("GET", "/docs/{name}"),
        ("GET", "/v/{name}:read"),
        ("GET", "/v/{name}"),
    ];
    let routes = routes(&all);
    let refused = Err(RouteRefusal::Suffix);
    for (path, expected) in [
        ("/docs/start.html", Ok(Some(1))),
        ("/docs/start.2.html", Ok(Some(1))),
        ("/docs/admin.html", refused),
        ("/docs/ADMIN.html", refused),
        ("/docs/admin.2.html", refused),
        ("/docs/start.html.", refused),
        ("/v/1:read", Ok(Some(3))),
        ("/v/1.0:read", refused),
    ] {
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
    assert_eq!(found(&routes.distinguish_suffix(true), "GET", "/docs/admin.html"), Ok(Some(1)));
}

#[test]
fn readings_that_name_different_values_are_refused() {
    let account = Route {
        resource: vec![("account".into(), Pattern::parse("/a/{id}.json").unwrap().place("id").unwrap())],
        ..route(&("", "/a/{id}.json"))
    };
    let routes = Routes::new(vec![account]);
    for path in ["/a/1.json", "/a/x%40y.json"] {
        assert_eq!(found(&routes, "GET", path), Ok(Some(0)), "{path}");
    }
    for path in ["/a/1.json;a", "/a/1.json/../2.json"] {
        assert_eq!(found(&routes, "GET", path), Err(RouteRefusal::Readings), "{path}");
    }
}

#[test]
fn a_script_that_a_parameter_takes_with_its_text_hides_no_narrower_route() {
    let routes = routes(&[("", "/v1/admin"), ("", "/{page}.php/{a}/{b}"), ("", "/{page}.txt/{a}/{b}")]);
    assert_eq!(found(&routes, "GET", "/index.php/v1/admin"), Err(RouteRefusal::PathInfo));
    assert_eq!(found(&routes, "GET", "/index.php/v1/else"), Ok(Some(1)));
    assert_eq!(found(&routes, "GET", "/index.txt/v1/admin"), Ok(Some(2)));
}

proptest! {
    #[test]
    fn no_server_takes_an_allowed_path_with_text_around_a_value_to_another_route(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "/", "/", "/", "v1", "V1", "x", "X", "v", ":go", ":GO", ":", "%3a", "%67", ".", "..", ";a", "%252e", "?",
                "%C5%BF", "go", ":s",
            ]),
            0..7,
        ),
    ) {
        let all = [("", "/v1/x:go"), ("", "/v1/{id}:go"), ("", "/v1/v{id}:s"), ("", "/v1/v{id}"), ("", "/v1/{id}"), ("", "/**")];
        let path = format!("/v1/{}", parts.concat());
        if let Ok(Some(number)) = found(&routes(&all), "GET", &path) {
            for bits in 0..8 {
                let [fold, merge, parameters] = [1, 2, 4].map(|bit| bits & bit != 0);
                let other = simple_server(&all, &path, fold, merge, parameters);
                prop_assert_eq!(other, Some(number), "{} fold {} merge {}", path, fold, merge);
            }
        }
    }
}
