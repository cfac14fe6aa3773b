//! Luxor: the key without a scheme, two buckets of which either can deny, and keys that belong to workspaces.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_testing::{Answer, Echo, key};

use crate::{Product, assert_refused};

const WORKSPACE: &str = "GET /api/v1/workspace";
const UNAUTHORIZED: &str = r#"{"error":{"code":"unauthorized","message":"Invalid or missing API key"}}"#;
const LIMITED: &str = r#"{"error":{"code":"rate_limit_exceeded","message":"Rate limit exceeded"}}"#;

async fn luxor() -> Product {
    Product::open("luxor", "app.luxor.tech").await
}

impl Product {
    fn luxor(&self, call: &str, key: &str) -> Answer {
        self.send(call, &[("authorization", key)])
    }

    async fn workspace(&self, slug: &str, limits: &str) {
        let ask = v1::CreateTenantRequest {
            slug: slug.to_owned(),
            display_name: slug.to_owned(),
            profile: "luxor".to_owned(),
            rate_limits: HashMap::from([("default".to_owned(), limits.to_owned())]),
            ..v1::CreateTenantRequest::default()
        };
        self.operator.tenants().create_tenant(ask).await.expect("a workspace with limits of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_key_is_the_whole_header() {
    let luxor = luxor().await;
    let (_, value) = luxor.operator.plain_key("acme", "").await;
    let echo = Echo::of(&luxor.luxor(WORKSPACE, &value));
    assert_eq!(echo.all("x-luxor-workspace"), ["acme"]);
    assert!(echo.all("authorization").is_empty());
    assert_refused(&luxor.luxor(WORKSPACE, &format!("Bearer {value}")), 401, UNAUTHORIZED);
    assert_refused(&luxor.send(WORKSPACE, &[("x-api-key", &value)]), 401, UNAUTHORIZED);
    assert_refused(&luxor.send(WORKSPACE, &[]), 401, UNAUTHORIZED);
    assert_refused(&luxor.luxor(WORKSPACE, "<token>"), 401, UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_the_base_url_are_open() {
    let luxor = luxor().await;
    let (_, value) = luxor.operator.plain_key("acme", "").await;
    for call in [WORKSPACE, "GET /v1/workspace", "POST /api/v1/workspace/groups"] {
        let _ = Echo::of(&luxor.luxor(call, &value));
    }
    assert_eq!(luxor.luxor("GET /admin", &value).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn insufficient_permissions_are_a_403_in_the_products_shape() {
    let luxor = luxor().await;
    let mut ask = key("acme", "");
    ask.scopes = vec!["workspace.read".to_owned()];
    let (_, value) = luxor.operator.key(ask).await;
    let _ = Echo::of(&luxor.luxor(WORKSPACE, &value));
    let body = r#"{"error":{"code":"forbidden","message":"Insufficient permissions"}}"#;
    assert_refused(&luxor.luxor("POST /api/v1/workspace/groups", &value), 403, body);
}

#[tokio::test(flavor = "multi_thread")]
async fn either_bucket_denies_and_a_denied_call_is_charged_to_neither() {
    let luxor = luxor().await;
    luxor.workspace("miner", "tenant 3/h; key 2/h").await;
    let (_, first) = luxor.operator.plain_key("miner", "").await;
    let (_, second) = luxor.operator.plain_key("miner", "").await;
    let statuses = |value: &str, calls: usize| -> Vec<u16> {
        (0..calls).map(|_| luxor.luxor(WORKSPACE, value).status).collect()
    };
    assert_eq!(statuses(&first, 4), [200, 200, 429, 429], "its own bucket is empty");
    // Had the denied calls been charged to the workspace, nothing would be left here.
    assert_eq!(statuses(&second, 3), [200, 429, 429], "the workspace's bucket is empty");
    assert_refused(&luxor.luxor(WORKSPACE, &second), 429, LIMITED);
    let ask = v1::CheckRequest {
        credential: second,
        cost: Some(0),
        scopes_only: true,
        ..v1::CheckRequest::default()
    };
    let levels = luxor.operator.check(ask).await.rate_limits;
    let left = |bucket: &str| levels.iter().find(|l| l.bucket == bucket).map(|l| (l.limit, l.remaining));
    assert_eq!(
        left("key/default"),
        Some((2, 1)),
        "the denied calls took nothing of the key's own: {levels:?}"
    );
    assert_eq!(left("tenant/default"), Some((3, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_denial_of_a_limited_caller_has_retry_after() {
    let luxor = luxor().await;
    luxor.workspace("miner", "tenant 1/h; key 1/h").await;
    let (_, value) = luxor.operator.plain_key("miner", "").await;
    let _ = Echo::of(&luxor.luxor(WORKSPACE, &value));
    let limited = luxor.luxor(WORKSPACE, &value);
    assert_refused(&limited, 429, LIMITED);
    let wait: u32 = limited.header("retry-after").expect("a time to wait").parse().expect("seconds");
    assert!((1..=3_600).contains(&wait));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_and_deleted_per_workspace() {
    let luxor = luxor().await;
    let _ = luxor.operator.tenant("other", "luxor", "").await;
    let (ours, our_value) = luxor.operator.plain_key("acme", "").await;
    let (_, their_value) = luxor.operator.plain_key("other", "").await;
    assert_eq!(Echo::of(&luxor.luxor(WORKSPACE, &their_value)).all("x-luxor-workspace"), ["other"]);
    let _ = luxor.operator.revoke(&ours.id).await;
    assert_refused(&luxor.luxor(WORKSPACE, &our_value), 401, UNAUTHORIZED);
    let _ = Echo::of(&luxor.luxor(WORKSPACE, &their_value));
    let listed = v1::ListKeysRequest { tenant: "other".to_owned(), ..v1::ListKeysRequest::default() };
    let listed = luxor.operator.keys().list_keys(listed).await.expect("a list").into_inner();
    assert_eq!(listed.keys.len(), 1);
}
