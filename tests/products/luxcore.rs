//! LuxCore: the key selects the environment, each scope and alias permits its routes, and each class has its
//! limit.

use latchkey_proto::v1;
use latchkey_testing::{Answer, Echo, eventually_async, key};

use tonic::Code;

use crate::{Product, assert_refused};

const UNAUTHORIZED: &str =
    r#"{"statusCode":401,"error":"Unauthorized","message":"Missing or invalid API key"}"#;
const PAYMENT: &str = "GET /v1/payments/pay_1";

async fn luxcore() -> Product {
    Product::open("luxcore", "api.lux-core.io").await
}

impl Product {
    fn luxcore(&self, call: &str, key: &str) -> Answer {
        self.send(call, &[("X-API-Key", key)])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_alone_decides_the_environment() {
    let luxcore = luxcore().await;
    for (environment, prefix) in [("production", "qp_prod_sk_"), ("test", "qp_test_sk_")] {
        let (_, value) = luxcore.operator.plain_key("acme", environment).await;
        assert!(value.starts_with(prefix));
        let headers = [("X-API-Key", &*value), ("X-LuxCore-Environment", "production")];
        let echo = Echo::of(&luxcore.send(PAYMENT, &headers));
        assert_eq!(echo.all("x-luxcore-environment"), [environment], "a client's own word doesn't count");
    }
    let refused = luxcore.operator.try_key(key("acme", "")).await.expect_err("there is no live");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("environment: is required: one of production, test"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_the_scope_that_it_stands_for() {
    let luxcore = luxcore().await;
    for (alias, scope, call) in [
        ("payments.view", "payments.read", PAYMENT),
        ("webhooks.view", "webhooks.read", "GET /v1/webhooks"),
        ("balance.view", "balance.read", "GET /v1/balance"),
    ] {
        let mut ask = key("acme", "production");
        ask.scopes = vec![alias.to_owned()];
        let (made, value) = luxcore.operator.key(ask).await;
        assert_eq!(made.scopes, [scope]);
        let _ = Echo::of(&luxcore.luxcore(call, &value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_invalid_key_is_a_401() {
    let luxcore = luxcore().await;
    assert_refused(&luxcore.send(PAYMENT, &[]), 401, UNAUTHORIZED);
    let unknown = format!("qp_prod_sk_{}", "a".repeat(43));
    for value in [&unknown, "qp_prod_sk_", "sk_live_1", "eyJhbGciOiJFZERTQSJ9.e30.c2ln"] {
        assert_refused(&luxcore.luxcore(PAYMENT, value), 401, UNAUTHORIZED);
        let bearer = format!("Bearer {value}");
        assert_refused(&luxcore.send(PAYMENT, &[("Authorization", &bearer)]), 401, UNAUTHORIZED);
    }
    assert_eq!(luxcore.envoy.upstream().seen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_is_a_403_that_names_it() {
    let luxcore = luxcore().await;
    let mut ask = key("acme", "test");
    ask.scopes = vec!["balance.view".to_owned()];
    let (_, value) = luxcore.operator.key(ask).await;
    let message = "API key lacks required scope: payments.create";
    let body = format!(r#"{{"statusCode":403,"error":"Forbidden","message":"{message}"}}"#);
    assert_refused(&luxcore.luxcore("POST /v1/payments", &value), 403, &body);
}

/// Sends a Check that reads a bucket, or charges a large part of it at once, and returns the response.
async fn take(product: &Product, value: &str, call: &str, cost: u32) -> v1::CheckResponse {
    let (method, path) = call.split_once(' ').expect("a method and a path");
    let ask = v1::CheckRequest {
        credential: value.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        cost: Some(cost),
        ..v1::CheckRequest::default()
    };
    product.operator.check(ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_endpoints_take_a_hundred_a_minute_for_each_key() {
    let luxcore = luxcore().await;
    let (_, busy) = luxcore.operator.plain_key("acme", "production").await;
    let (_, calm) = luxcore.operator.plain_key("acme", "production").await;
    assert_eq!(take(&luxcore, &busy, PAYMENT, 99).await.decision(), v1::Decision::Allow);
    let answers: Vec<Answer> = (0..8).map(|_| luxcore.luxcore(PAYMENT, &busy)).collect();
    assert_eq!(answers[0].status, 200);
    let limited = answers.iter().find(|answer| answer.status == 429).expect("100 pass in a minute");
    let body = r#"{"statusCode":429,"error":"Too Many Requests","message":"Rate limit exceeded"}"#;
    assert_refused(limited, 429, body);
    let wait: u64 = limited.header("retry-after").expect("a time to wait").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "a call returns a minute after it passed: {wait}");
    let _ = Echo::of(&luxcore.luxcore("POST /v1/payments", &busy));
    let _ = Echo::of(&luxcore.luxcore(PAYMENT, &calm));
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_created_from_a_bucket_of_500_that_5000_a_minute_refill() {
    let luxcore = luxcore().await;
    let (_, value) = luxcore.operator.plain_key("acme", "production").await;
    let create = "POST /v1/payments";
    let first = take(&luxcore, &value, create, 500).await;
    assert_eq!(first.decision(), v1::Decision::Allow);
    assert_eq!((&*first.rate_limits[0].bucket, first.rate_limits[0].limit), ("key/payment_creation", 500));
    // 500 come back in 6 seconds. On a busy machine, these can have passed before the second call.
    let second = eventually_async("calls within 6 seconds are denied", async || {
        let next = take(&luxcore, &value, create, 500).await;
        (next.reason() == v1::Reason::RateLimited).then_some(next)
    })
    .await;
    assert!((1..=6).contains(&second.rate_limits[0].retry_after_seconds));
    let _ = Echo::of(&luxcore.luxcore(PAYMENT, &value));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_without_downtime() {
    let luxcore = luxcore().await;
    let (old, before) = luxcore.operator.plain_key("acme", "production").await;
    let (_, after) = luxcore.operator.plain_key("acme", "production").await;
    for value in [&before, &after] {
        let _ = Echo::of(&luxcore.luxcore(PAYMENT, value));
    }
    let _ = luxcore.operator.revoke(&old.id).await;
    assert_refused(&luxcore.luxcore(PAYMENT, &before), 401, UNAUTHORIZED);
    let _ = Echo::of(&luxcore.luxcore(PAYMENT, &after));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_works_beside_the_old_key() {
    let luxcore = luxcore().await;
    let (old, before) = luxcore.operator.plain_key("acme", "test").await;
    let overlap = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let ask = v1::RotateKeyRequest { id: old.id, overlap, expiry: None };
    let rotated = luxcore.operator.keys().rotate_key(ask).await.expect("a rotation").into_inner();
    for value in [&before, &rotated.secret] {
        let echo = Echo::of(&luxcore.luxcore(PAYMENT, value));
        assert_eq!(echo.all("x-luxcore-environment"), ["test"]);
        assert!(!echo.text().contains(value.as_str()), "the service doesn't get the key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_passes_as_a_bearer_token_in_place_of_the_key() {
    let luxcore = luxcore().await;
    let mut ask = key("acme", "production");
    ask.scopes = vec!["payments.read".to_owned()];
    let (made, value) = luxcore.operator.key(ask).await;
    let grant = Some(v1::issue_jwt_request::Grant::ApiKey(value));
    let ask = v1::IssueJwtRequest { grant, ..v1::IssueJwtRequest::default() };
    let token = luxcore.operator.tokens().issue_jwt(ask).await.expect("a token").into_inner().access_token;
    let bearer = format!("Bearer {token}");
    let echo = Echo::of(&luxcore.send(PAYMENT, &[("Authorization", &bearer)]));
    assert_eq!(echo.all("x-luxcore-environment"), ["production"]);
    assert!(!echo.text().contains(&token));
    assert_eq!(luxcore.send("POST /v1/payments", &[("Authorization", &bearer)]).status, 403);
    let _ = luxcore.operator.revoke(&made.id).await;
    assert_refused(&luxcore.send(PAYMENT, &[("Authorization", &bearer)]), 401, UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_creates_keys_and_no_caller_registers() {
    let luxcore = luxcore().await;
    let (_, value) = luxcore.operator.plain_key("acme", "production").await;
    let refused = luxcore.latchkey.caller(&value).try_key(key("acme", "production")).await;
    assert_eq!(refused.expect_err("a key of every scope may not").code(), Code::PermissionDenied);
    let refused = luxcore.latchkey.anonymous().try_key(key("acme", "production")).await;
    assert_eq!(refused.expect_err("a stranger may not").code(), Code::Unauthenticated);
    let tenant = v1::CreateTenantRequest {
        slug: "me".to_owned(),
        profile: "luxcore".to_owned(),
        ..Default::default()
    };
    for caller in [luxcore.latchkey.anonymous(), luxcore.latchkey.caller(&value)] {
        let refused = caller.tenants().create_tenant(tenant.clone()).await.expect_err("nobody registers");
        assert!(matches!(refused.code(), Code::Unauthenticated | Code::PermissionDenied), "{refused:?}");
    }
}
