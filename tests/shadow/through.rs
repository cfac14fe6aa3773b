//! Calls that pass in shadow: through Envoy with their identity or without one, and never to Latchkey's own endpoints.

use latchkey_testing::{Database, Echo, Envoy, EnvoySetup, Request};

use crate::ShadowFixture;

const HOST: &str = "api.trial.dev";

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_and_management_are_enforced_under_a_profile_in_shadow() {
    let fixture = ShadowFixture::open(Database::Embedded, true).await;
    let (id, value) = fixture.key(&["read"]).await;
    let ask = |path: &str, value: &str| {
        Request::get(HOST, path).header("x-api-key", value).send(fixture.latchkey.http())
    };
    for path in ["/v1/verify", "/v1/open"] {
        let answer = ask(path, &value);
        assert_eq!((answer.status, answer.json()["tenant"].as_str()), (200, Some("acme")), "{path}");
    }
    let _ = fixture.operator.revoke(&id).await;
    for path in ["/v1/verify", "/v1/open"] {
        assert_eq!(ask(path, &value).status, 401, "{path}, by a revoked key");
        assert_eq!(ask(path, "nonsense").status, 401, "{path}, by no key");
    }
}

/// Returns a request that claims an identity.
fn forged(method: &str, path: &str) -> Request {
    let request = Request::new(method, HOST, path);
    ["x-tenant-id", "x_tenant_id", "x-key-id"].iter().fold(request, |r, name| r.header(name, "evil"))
}

#[tokio::test(flavor = "multi_thread")]
async fn through_envoy_a_call_that_would_be_denied_passes_with_its_own_identity_or_with_none() {
    let fixture = ShadowFixture::open(Database::Embedded, false).await;
    let output = ["decision", "shadow_decision", "shadow_reason"].map(str::to_owned).to_vec();
    let envoy = Envoy::start(fixture.latchkey.grpc(), &EnvoySetup { output, ..EnvoySetup::default() });
    let (id, value) = fixture.key(&["read"]).await;
    let answer = envoy.send(&forged("POST", "/v1/exports").header("x-api-key", &value));
    let echo = Echo::of(&answer);
    assert_eq!((echo.all("x-tenant-id"), echo.all("x-key-id")), (vec!["acme"], vec![id.as_str()]));
    assert!(!echo.text().contains("evil") && !echo.text().contains(&value), "{}", echo.text());
    assert_eq!(answer.header("x-metadata-decision"), Some("ALLOW"));
    assert_eq!(answer.header("x-metadata-shadow_decision"), Some("DENY"));
    assert_eq!(answer.header("x-metadata-shadow_reason"), Some("INSUFFICIENT_SCOPE"));
    let nobody = envoy.send(&forged("GET", "/v1/tried"));
    let echo = Echo::of(&nobody);
    assert_eq!((echo.all("x-tenant-id"), echo.all("x-key-id")), (vec![], vec![]));
    assert!(!echo.text().contains("evil"), "{}", echo.text());
    assert_eq!(nobody.header("x-metadata-shadow_reason"), Some("MISSING_CREDENTIAL"));
    let _ = fixture.operator.revoke(&id).await;
    let revoked = envoy.send(&forged("GET", "/v1/tried").header("x-api-key", &value));
    let echo = Echo::of(&revoked);
    assert_eq!((echo.all("x-tenant-id"), echo.all("x-key-id")), (vec![], vec![]), "nobody vouches for it");
    assert!(!echo.text().contains("evil") && !echo.text().contains(&value), "{}", echo.text());
    assert_eq!(revoked.header("x-metadata-shadow_reason"), Some("REVOKED"));
    assert_eq!(envoy.send(&forged("GET", "/v1/items").header("x-api-key", &value)).status, 401);
    assert_eq!(
        envoy.send(&forged("GET", "/v1/tried%2f")).status,
        403,
        "what has no route can't be tried on one"
    );
}
