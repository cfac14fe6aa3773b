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
    let store = Route { resource: vec![("store".into(), 0)], ..route(&("", "/{store}/**")) };
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
