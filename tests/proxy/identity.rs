//! Headers that identify an authenticated caller are set by Latchkey alone.

use std::collections::HashMap;

use latchkey_proto::v1::CreateKeyRequest;
use latchkey_testing::{Echo, EnvoySetup, Request, both_ways, key};

use crate::{ProxyFixture, get};

both_ways!(
    the_service_receives_the_identity_of_the_caller,
    forged_identities_are_overwritten,
    forged_identities_are_removed_where_there_is_no_value,
    a_public_route_carries_no_identity,
    forged_identities_are_removed_that_latchkey_does_not_see,
    a_label_can_not_break_out_of_its_header,
);

/// Returns a request that claims an identity, in every spelling that a framework might read.
fn forged(request: Request) -> Request {
    let names = [
        "x-tenant-id",
        "X-Tenant-Id",
        "x_tenant_id",
        "X_Tenant-Id",
        "x-key-id",
        "x_key_id",
        "x-team",
        "x_team",
        "x.tenant.id",
        "X-Tenant.Id",
        "x.key-id",
        "x.team",
    ];
    names.iter().fold(request, |request, name| request.header(name, "evil"))
}

fn assert_not_forged(echo: &Echo) {
    assert!(!echo.text().contains("evil"), "{}", echo.text());
}

async fn the_service_receives_the_identity_of_the_caller(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let metadata = HashMap::from([("team".to_owned(), "payments".to_owned())]);
    let (made, value) = fixture.operator.key(CreateKeyRequest { metadata, ..key("acme", "live") }).await;
    let echo = Echo::of(&fixture.get("/v1/items/1", &value));
    assert_eq!(echo.all("x-tenant-id"), ["acme"]);
    assert_eq!(echo.all("x-key-id"), [made.id.as_str()]);
    assert_eq!(echo.all("x-team"), ["payments"]);
}

async fn forged_identities_are_overwritten(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let value = fixture.value().await;
    let echo = Echo::of(&fixture.send(&forged(get("/v1/items/1").header("x-api-key", value))));
    assert_eq!(echo.all("x-tenant-id"), ["acme"]);
    assert_not_forged(&echo);
}

async fn forged_identities_are_removed_where_there_is_no_value(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let value = fixture.value().await;
    let echo = Echo::of(&fixture.send(&forged(get("/v1/items/1").header("x-api-key", value))));
    assert_eq!(echo.all("x-team"), Vec::<&str>::new());
}

async fn a_public_route_carries_no_identity(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let echo = Echo::of(&fixture.send(&forged(get("/v1/open/page"))));
    assert_eq!(echo.all("x-tenant-id"), Vec::<&str>::new());
    assert_not_forged(&echo);
}

async fn forged_identities_are_removed_that_latchkey_does_not_see(raw: bool) {
    let allowed_headers = vec!["x-api-key".to_owned()];
    let fixture =
        ProxyFixture::with(EnvoySetup { raw_headers: raw, allowed_headers, ..EnvoySetup::default() }).await;
    let value = fixture.value().await;
    let hyphens = ["x-tenant-id", "x-key-id", "x-team", "x_tenant_id", "x_key_id", "x_team"];
    let request = hyphens.iter().fold(get("/v1/items/1"), |request, name| request.header(name, "evil"));
    assert_not_forged(&Echo::of(&fixture.send(&request.header("x-api-key", value))));
}

async fn a_label_can_not_break_out_of_its_header(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    for label in ["a\r\nx-tenant-id: evil", "a\nb", "a\0b", "\u{1b}[31mred", "é\u{202e}"] {
        let metadata = HashMap::from([("team".to_owned(), label.to_owned())]);
        // The key is refused when it is created, or its metadata is harmless when it is used.
        if let Ok((_, value)) =
            fixture.operator.try_key(CreateKeyRequest { metadata, ..key("acme", "live") }).await
        {
            let echo = Echo::of(&fixture.get("/v1/items/1", &value));
            assert_eq!(echo.all("x-tenant-id"), ["acme"], "{label:?}");
            assert!(!echo.all("x-team").iter().any(|team| team.bytes().any(|b| b < b' ')), "{label:?}");
        }
    }
}
