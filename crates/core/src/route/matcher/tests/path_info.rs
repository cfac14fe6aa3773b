//! Paths behind a script or a session, which front controllers answer as what follows it.

use super::*;

const SHOP: [(&str, &str); 5] = [
    ("", "/v1/admin"),
    ("GET", "/v1/orders/{id}"),
    ("", "/login.php"),
    ("", "/index.php/status"),
    ("", "/**"),
];

#[test]
fn a_path_behind_a_script_takes_no_call_from_a_narrow_route_to_a_wide_one() {
    let refused = Err(RouteRefusal::PathInfo);
    let unambiguous = routes(&SHOP);
    let distinct = routes(&SHOP).distinguish_path_info(true);
    for (method, path, expected) in [
        ("GET", "/v1/admin", Ok(Some(0))),
        ("GET", "/index.php/v1/admin", refused),
        ("GET", "/INDEX.php/V1/Admin", refused),
        ("GET", "/index%2Ephp/v1/admin", refused),
        ("GET", "/index.php/v1/admin/", refused),
        ("GET", "/index.php;x=1/v1/admin", refused),
        ("GET", "/app.php7/v1/orders/7", refused),
        ("POST", "/app.php7/v1/orders/7", refused),
        ("GET", "/cgi-bin/shop.fcgi/v1/admin", refused),
        ("GET", "/v1/index.php/admin", refused),
        ("GET", "/v1/admin/index.php", refused),
        ("GET", "/index.php/v1/admin.json", refused),
        ("GET", "/(S(abc))/v1/admin", refused),
        ("GET", "/(S(abc))/default.aspx/v1/admin", refused),
        ("GET", "/a.php/b.php/c.php/d.php/else", refused),
        ("GET", "/index.php/v1/else", Ok(Some(4))),
        ("GET", "/login.php", Ok(Some(2))),
        ("GET", "/index.php/status", Ok(Some(3))),
        ("GET", "/v1/report.php", Ok(Some(4))),
        ("GET", "/v1/index.html/admin", Ok(Some(4))),
        ("GET", "/v1/(x)/admin", Ok(Some(4))),
    ] {
        assert_eq!(found(&unambiguous, method, path), expected, "{method} {path}");
    }
    let encoded = found(&unambiguous, "GET", "/%28S%28abc%29%29/v1/admin");
    assert_eq!(encoded, Err(RouteRefusal::Readings));
    for path in ["/index.php/v1/admin", "/(S(abc))/v1/admin", "/v1/admin/index.php"] {
        assert_eq!(found(&distinct, "GET", path), Ok(Some(4)), "{path}");
    }
    assert!(distinct.distinguishes_path_info() && !unambiguous.distinguishes_path_info());
}

#[test]
fn a_script_makes_no_path_of_a_route_unmatched() {
    let routes = routes(&[("GET", "/v1/admin")]);
    assert_eq!(found(&routes, "GET", "/index.php/v1/admin"), Err(RouteRefusal::PathInfo));
    assert_eq!(found(&routes, "GET", "/index.php/v1/else"), Ok(None));
}

#[test]
fn a_script_hides_no_resource_and_a_route_of_scripts_stays() {
    let store = Route { resource: vec![("store".into(), 0.into())], ..route(&("", "/{store}/**")) };
    let stores = Routes::new(vec![store]);
    assert_eq!(found(&stores, "GET", "/index.php/s2/x"), Err(RouteRefusal::PathInfo));
    assert_eq!(found(&stores, "GET", "/s1/index.html"), Ok(Some(0)));
    let scripts = routes(&[("", "/api.php/orders/{id}"), ("", "/admin.php/**"), ("POST", "/run.cgi")]);
    for (method, path, number) in
        [("GET", "/api.php/orders/7", 0), ("GET", "/admin.php/users/7", 1), ("POST", "/run.cgi", 2)]
    {
        assert_eq!(found(&scripts, method, path), Ok(Some(number)), "{path}");
    }
}

#[test]
fn a_name_that_ends_like_a_script_is_data_unless_it_hides_a_narrower_route() {
    let refused = Err(RouteRefusal::PathInfo);
    let routes = routes(&[
        ("GET", "/v1/users/{id}"),
        ("GET", "/v1/users/{email}/keys"),
        ("GET", "/v1/domains/{name}/records"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/{name}"),
        ("GET,PUT", "/v1/files/{name}/content"),
        ("", "/v1/orders/{id}"),
        ("POST", "/v1/refunds"),
        ("", "/{shop}/v1/orders/{id}"),
        ("", "/{shop}/v1/refunds"),
        ("", "/**"),
    ]);
    for (method, path, expected) in [
        ("GET", "/v1/users/anna@example.pl/keys", Ok(Some(1))),
        ("GET", "/v1/users/anna@example.com/keys", Ok(Some(1))),
        ("GET", "/v1/users/anna.php/keys", Ok(Some(1))),
        ("GET", "/v1/domains/allegro.pl/records", Ok(Some(2))),
        ("GET", "/v1/domains/shop.default.svc/records", Ok(Some(2))),
        ("GET", "/v1/files/index.py", Ok(Some(4))),
        ("GET", "/v1/files/run.php", Ok(Some(4))),
        ("GET", "/v1/files/index.php", refused),
        ("GET", "/v1/files/run.php/content", Ok(Some(5))),
        ("PUT", "/v1/files/run.php/content", Ok(Some(5))),
        ("GET", "/s1/v1/orders/7", Ok(Some(8))),
        ("GET", "/s1.pl/v1/orders/7", Ok(Some(8))),
        ("GET", "/index.php/v1/orders/7", refused),
        ("GET", "/(S(x))/v1/orders/7", refused),
        ("GET", "/index.php/v1/refunds", refused),
    ] {
        assert_eq!(found(&routes, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_route_for_everything_below_a_folder_is_no_wider_than_one_with_a_name_in_its_place() {
    let routes =
        routes(&[("", "/{tenant}/admin/settings"), ("", "/{tenant}/admin/users/{id}"), ("", "/admin/**")]);
    let refused = Err(RouteRefusal::PathInfo);
    for (path, expected) in [
        ("/acme/admin/settings", Ok(Some(0))),
        ("/acme.pl/admin/settings", Ok(Some(0))),
        ("/index.php/admin/settings", refused),
        ("/app.cgi/admin/users/7", refused),
        ("/admin/settings", Ok(Some(2))),
    ] {
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_route_that_names_its_script_takes_the_paths_behind_it() {
    let scripts = [("", "/api.php/orders/{id}"), ("", "/shop/app.php/**"), ("", "/orders/{id}"), ("", "/**")];
    let routes = routes(&scripts);
    let refused = Err(RouteRefusal::PathInfo);
    for (path, expected) in [
        ("/api.php/orders/7", Ok(Some(0))),
        ("/shop/app.php/orders/7", Ok(Some(1))),
        ("/api.php/else", Ok(Some(3))),
        ("/other.php/orders/7", refused),
        ("/shop/app.php/index.php/orders/7", refused),
    ] {
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_script_in_a_folder_is_read_as_what_follows_it_in_the_folder() {
    let routes = routes(&[("", "/shop/v1/admin"), ("", "/**")]);
    let refused = Err(RouteRefusal::PathInfo);
    for (path, expected) in [
        ("/shop/index.php/v1/admin", refused),
        ("/shop/app.php/v1/admin", refused),
        ("/shop/v1/app.php7/admin", refused),
        ("/shop/v1/admin/index.php", refused),
        ("/shop/v1/admin/app.php", Ok(Some(1))),
        ("/shop/app.php/v1/else", Ok(Some(1))),
        ("/shop/app.php", Ok(Some(1))),
    ] {
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
}
