//! Non-canonical paths: converted to the canonical form before a route is searched, or denied. The service
//! behind Envoy may decode a path that Envoy forwards raw, so a path must never match a less restricted route
//! than the one that the service chooses.

use latchkey_testing::{Echo, Request, both_ways};

use crate::{HOST, ProxyFixture, get};

both_ways!(
    ambiguous_paths_reach_no_protected_route_through_a_public_one,
    ambiguous_paths_reach_no_route_without_its_scope,
    unambiguous_paths_with_escapes_pass,
    the_case_of_a_path_matters,
    a_method_that_no_route_of_a_path_takes_is_denied,
    a_long_query_is_judged,
);

async fn ambiguous_paths_reach_no_protected_route_through_a_public_one(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let ambiguous = [
        "/v1/open/../admin/x",
        "/v1/open/%2e%2e/admin/x",
        "/v1/open/%2E%2E/admin/x",
        "/v1/open/.%2e/admin/x",
        "/v1/open/..%2fadmin/x",
        "/v1/open/%2e%2e%2fadmin/x",
        "/v1/open/..%5cadmin/x",
        "/v1/open/..;/admin/x",
        "/v1/open/..;a=b/admin/x",
        "/v1/open//../../v1/admin/x",
        "/v1/open/./../admin/x",
        "/v1/open/../../v1/admin/x",
        "/v1/open/../../../../v1/admin/x",
        "/v1/open/..",
        "/v1/open/%00",
        "/v1/open/%zz",
        "/v1/open/%",
        "/v1/open/%c0%ae%c0%ae/admin/x",
        "/v1/admin/x#/../../open/page",
    ];
    for path in ambiguous {
        let answer = fixture.send(&get(path));
        assert!(matches!(answer.status, 400 | 401 | 403 | 404), "{path}: {answer:?}");
    }
    assert_eq!(fixture.envoy.upstream().seen(), 0);
}

async fn ambiguous_paths_reach_no_route_without_its_scope(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let ambiguous = [
        "/v1/admin/x",
        "//v1/admin/x",
        "/v1//admin/x",
        "/v1/./admin/x",
        "/v1/%61dmin/x",
        "/v1/admin;x/y",
        "/v1;x/admin/y",
        "/v1/items/../admin/x",
        "/v1/items/%2e%2e/admin/x",
        "/v1/items/..;/admin/x",
        "/v1/items/..%2fadmin%2fx",
        "/V1/ADMIN/x",
        "/v1/admin%2fx",
        "/v1%2fadmin/x",
        "http://api.fixture.dev/v1/admin/x",
    ];
    for path in ambiguous {
        let answer = fixture.get(path, &key);
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {answer:?}");
    }
    assert_eq!(fixture.envoy.upstream().seen(), 0);
    let _ = Echo::of(&fixture.get("/v1/admin/x", &fixture.administrator().await));
}

async fn unambiguous_paths_with_escapes_pass(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    for path in
        ["/v1/items/1", "/v1/items/a%20b", "/v1/items/caf%C3%A9", "/v1/items/a?next=/../x", "/v1/items/1/"]
    {
        let echo = Echo::of(&fixture.get(path, &key));
        assert_eq!(echo.path(), path, "what passes, passes unchanged");
    }
    let _ = Echo::of(&fixture.send(&get("/v1/open/page")));
}

async fn the_case_of_a_path_matters(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    assert_eq!(fixture.get("/v1/Items/1", &key).status, 403);
    assert!(matches!(fixture.send(&get("/v1/Open/page")).status, 401 | 403));
}

async fn a_method_that_no_route_of_a_path_takes_is_denied(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let send = |method: &str, path: &str| {
        let request =
            Request::new(method, HOST, path).header("x-api-key", &key).header("content-length", "0");
        fixture.send(&request).status
    };
    assert_eq!(send("HEAD", "/v1/items/1"), 200, "as GET");
    assert_eq!(send("HEAD", "/v1/admin/1"), 403, "as GET");
    for method in ["DELETE", "PUT", "PROPFIND", "OPTIONS"] {
        assert_eq!(send(method, "/v1/items/1"), 403, "{method}");
    }
    let head = Request::new("HEAD", HOST, "/v1/open/page");
    assert_eq!(fixture.send(&head).status, 200, "a public route");
}

async fn a_long_query_is_judged(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    let query = "q".repeat(33_000);
    let echo = Echo::of(&fixture.get(&format!("/v1/items/1?q={query}"), &key));
    assert!(echo.path().len() > 33_000);
    assert_eq!(fixture.get(&format!("/v1/admin/1?q={query}"), &key).status, 403);
    let twice = format!("/v1/items/1?api_key={key}&q={query}&api_key={key}x");
    assert_eq!(fixture.send(&get(&twice)).status, 401);
}
