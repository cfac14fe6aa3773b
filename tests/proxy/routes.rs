//! Values of Envoy's own routes (`context_extensions`) take precedence, and a client cannot set them.

use std::collections::HashMap;

use latchkey_proto::v1::CreateKeyRequest;
use latchkey_testing::{Echo, EnvoySetup, ProfileBuilder, Request, both_ways, key};

use crate::{GATE, HOST, ProxyFixture, get};

both_ways!(
    scopes_of_a_proxy_route_win,
    the_environment_of_a_proxy_route_wins,
    the_rate_class_of_a_proxy_route_wins,
    the_resource_of_a_proxy_route_wins,
    the_profile_of_a_proxy_route_wins,
    a_client_can_not_say_what_a_route_says,
    methods_belong_to_a_route,
    a_key_bound_to_a_merchant_stays_there,
);

fn routed(raw: bool, context: &[(&str, &str)]) -> EnvoySetup {
    EnvoySetup { raw_headers: raw, ..EnvoySetup::default() }.route("/v1/items/special", context)
}

async fn scopes_of_a_proxy_route_win(raw: bool) {
    let fixture = ProxyFixture::with(routed(raw, &[("scopes", "admin,read")])).await;
    let key = fixture.value().await;
    let _ = Echo::of(&fixture.get("/v1/items/plain", &key));
    assert_eq!(fixture.get("/v1/items/special", &key).status, 403);
    let _ = Echo::of(&fixture.get("/v1/items/special", &fixture.administrator().await));
}

async fn the_environment_of_a_proxy_route_wins(raw: bool) {
    let fixture = ProxyFixture::with(routed(raw, &[("environment", "test")])).await;
    let key = fixture.value().await;
    let _ = Echo::of(&fixture.get("/v1/items/plain", &key));
    assert_eq!(fixture.get("/v1/items/special", &key).status, 401);
    let test = fixture.operator.plain_key("acme", "test").await.1;
    let _ = Echo::of(&fixture.get("/v1/items/special", &test));
}

async fn the_rate_class_of_a_proxy_route_wins(raw: bool) {
    let fixture = ProxyFixture::with(routed(raw, &[("rate_class", "narrow")])).await;
    let key = fixture.value().await;
    let statuses = [(); 2].map(|()| fixture.get("/v1/items/special", &key).status);
    assert_eq!(statuses, [200, 429]);
    let limited = fixture.get("/v1/items/special", &key);
    let wait: u64 = limited.header("retry-after").expect("how long to wait").parse().expect("seconds");
    assert!((1..=3_600).contains(&wait), "{wait}");
    let _ = Echo::of(&fixture.get("/v1/items/plain", &key));
}

async fn bound(fixture: &ProxyFixture, merchant: &str) -> String {
    let bindings = HashMap::from([("merchant".to_owned(), merchant.to_owned())]);
    fixture.operator.key(CreateKeyRequest { bindings, ..key("acme", "live") }).await.1
}

async fn the_resource_of_a_proxy_route_wins(raw: bool) {
    let fixture = ProxyFixture::with(routed(raw, &[("resource.merchant", "m_1")])).await;
    let special = |merchant: &str| get("/v1/items/special").header("x-merchant-id", merchant);
    let (own, other) = (bound(&fixture, "m_1").await, bound(&fixture, "m_2").await);
    let _ = Echo::of(&fixture.send(&special("m_2").header("x-api-key", own)));
    assert_eq!(fixture.send(&special("m_2").header("x-api-key", other)).status, 403);
}

async fn the_profile_of_a_proxy_route_wins(raw: bool) {
    let fixture = ProxyFixture::with(routed(raw, &[("profile", "other")])).await;
    let key = fixture.value().await;
    let answer = fixture.get("/v1/items/special", &key);
    assert!(matches!(answer.status, 401 | 403), "no such profile: {answer:?}");
    let other = ProfileBuilder::from_document(GATE)
        .set("name", "other")
        .set("kinds[secret].prefixes.live", "ok_live_")
        .set("kinds[secret].prefixes.test", "ok_test_");
    let _ = fixture.operator.apply(&other.build()).await.expect("a second profile");
    let _ = fixture.operator.tenant("other-tenant", "other", "").await;
    let others = fixture.operator.plain_key("other-tenant", "live").await.1;
    let _ = Echo::of(&fixture.get("/v1/items/special", &others));
    assert_eq!(fixture.get("/v1/items/special", &key).status, 401);
}

async fn a_client_can_not_say_what_a_route_says(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    for name in ["scopes", "profile", "environment", "x-envoy-auth-scopes", "context_extensions"] {
        let request = get("/v1/admin/x").header("x-api-key", &key).header(name, "read");
        assert_eq!(fixture.send(&request).status, 403, "{name}");
    }
}

async fn methods_belong_to_a_route(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = fixture.value().await;
    for (method, status) in [("GET", 200), ("POST", 200), ("DELETE", 403), ("get", 403), ("PATCH", 403)] {
        let request =
            Request::new(method, HOST, "/v1/items/1").header("x-api-key", &key).header("content-length", "0");
        let answer = fixture.send(&request);
        assert!(answer.status == status || (method == "get" && answer.status == 400), "{method}: {answer:?}");
    }
}

async fn a_key_bound_to_a_merchant_stays_there(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let key = bound(&fixture, "m_1").await;
    let ask = |merchant: &str| get("/v1/items/1").header("x-api-key", &key).header("x-merchant-id", merchant);
    assert_eq!(Echo::of(&fixture.send(&ask("m_1"))).all("x-merchant-id"), ["m_1"]);
    for other in ["m_2", "M_1", "m_1,m_2", "m_1 "] {
        let answer = fixture.send(&ask(other));
        assert!(answer.status == 403 || other.ends_with(' '), "{other}: {answer:?}");
    }
}
