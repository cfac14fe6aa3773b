//! The whole example of the format's page, with corrections of the three lines that break its rules: a
//! route's and a role's scopes that the catalog lacks, and `{id}` where the path has none.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_testing::{Echo, ProfileBuilder, key, scoped, user, with_key};
use tonic::Code;

use crate::Product;

const EXAMPLE: &str = include_str!("../../crates/profile/tests/fixtures/example.toml");
const LIVE: &str = "api.paykore.dev";
const PAY: &str = "POST /v1/merchants/m_1/payments";

fn fits(body: &str, before: &str, after: &str) -> bool {
    let id = body.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    id.is_some_and(|id| id.len() == 10 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_example_works_as_it_is_written() {
    let paykore = Product::of(EXAMPLE).await;
    let mut ask = scoped("acme", &["payments.create"]);
    ask.bindings = HashMap::from([("merchant".to_owned(), "m_1".to_owned())]);
    let (made, value) = paykore.operator.key(ask).await;
    let secret = value.strip_prefix("sk_live_").expect("the prefix");
    assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!((made.kind.as_str(), made.value.as_str()), ("secret", ""));
    let answer = paykore.at(LIVE, PAY, &[("X-API-Key", &value), ("X_Key_Id", "evil"), ("x-key-id", "evil")]);
    let echo = Echo::of(&answer);
    assert_eq!((echo.all("x-tenant-id"), echo.all("x-key-id")), (vec!["acme"], vec![made.id.as_str()]));
    assert!(echo.all("x-api-key").is_empty() && echo.all("x_key_id").is_empty());
    assert_eq!(answer.header("x-ratelimit-limit"), Some("5000"), "the rate, not the burst");
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("499"));
    let reset = answer.header("x-ratelimit-reset").and_then(|text| text.parse::<u64>().ok());
    assert!(reset.is_some_and(|seconds| seconds > 1_700_000_000));
    let bearer = format!("bEaReR {value}");
    let _ = Echo::of(&paykore.at(LIVE, PAY, &[("authorization", &bearer), ("x-api-key", &value)]));
    for (call, headers, status) in [
        (PAY, vec![("x-api-key", value.as_str()), ("authorization", "Bearer other")], 401),
        (PAY, vec![("x-api-key", value.as_str()), ("x-tenant-id", "other")], 403),
        (PAY, vec![("x-api-key", value.as_str()), ("x_tenant_id", "other")], 403),
        (PAY, vec![("x-api-key", value.as_str()), ("x-tenant-id", "acme"), ("x_tenant_id", "other")], 403),
        (PAY, vec![("x-api-key", value.as_str()), ("x-merchant-id", "m_2")], 403),
        ("POST /v1/merchants/m_2/payments", vec![("x-api-key", value.as_str())], 403),
        ("GET /v1/merchants/m_1/payments", vec![("x-api-key", value.as_str())], 403),
    ] {
        let answer = paykore.at(LIVE, call, &headers);
        assert_eq!(answer.status, status, "{call} {headers:?} {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let known = status != 401;
        assert_eq!(answer.header("x-ratelimit-limit").is_some(), known, "where the key is known: {answer:?}");
    }
    assert_eq!(paykore.at("sandbox.paykore.dev", PAY, &[("x-api-key", &value)]).status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_denial_is_kept_to_the_byte() {
    let paykore = Product::of(EXAMPLE).await;
    let answer = paykore.at(LIVE, PAY, &[]);
    let before = r#"{"error":{"code":"MISSING_API_KEY","message":"No API key was provided. Add an X-API-Key header.","http_status":401},"meta":{"request_id":"req_"#;
    assert!(answer.status == 401 && fits(&answer.body, before, r#""}}"#), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-ratelimit-limit"), None, "no bucket is known without a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_aliases_plans_roles_and_tokens_work() {
    let paykore = Product::of(EXAMPLE).await;
    let _ = paykore.operator.tenant("grown", "paykore", "growth").await;
    let mut ask = key("grown", "live");
    ask.scopes = vec!["payments.view".to_owned()];
    let (made, value) = paykore.operator.key(ask).await;
    assert_eq!(made.scopes, ["payments.read"]);
    let forbidden = paykore.at(LIVE, PAY, &[("x-api-key", &value)]);
    assert_eq!(forbidden.status, 403, "{forbidden:?}");
    let check = v1::CheckRequest {
        credential: value.clone(),
        scopes: vec!["payments.view".to_owned()],
        scopes_only: true,
        ..v1::CheckRequest::default()
    };
    let answer = paykore.operator.check(check).await;
    assert_eq!(answer.decision(), v1::Decision::Allow, "{answer:?}");
    assert_eq!(answer.rate_limits[0].limit, 1_000, "the plan's");
    let user = user("grown", ("a@example.com", "a-long-password-of-2026"), "admin");
    let _ = paykore.operator.user(user).await;
    let (_, payer) = paykore.operator.scoped_key("grown", &["payments.create"]).await;
    let issued = paykore
        .latchkey
        .anonymous()
        .tokens()
        .issue_jwt(with_key(&payer))
        .await
        .expect("a token")
        .into_inner();
    let bearer = format!("Bearer {}", issued.access_token);
    let _ = Echo::of(&paykore.at(LIVE, PAY, &[("authorization", &bearer)]));
    assert_eq!(issued.expires_in.expect("a life").seconds, 3_600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_an_unknown_reference_is_refused_as_a_whole_with_its_line() {
    let paykore = Product::of(EXAMPLE).await;
    let base = || ProfileBuilder::from_document(EXAMPLE);
    for (document, line, word) in [
        (base().set("routes[0].path", "/v1/payments"), "merchant = \"{id}\"", "{id}"),
        (base().set("routes[0].scopes[0]", "payments.make"), "payments.make", "payments.make"),
        (base().set("kinds[secret].prefixes.test", "sk_live_"), "test = \"sk_live_\"", "claimed"),
        (base().set("routes[0].rate_class", "none"), "rate_class", "none"),
        (base().set("upstream_headers.x-key-id", "{{ subject.ids }}"), "subject.ids", "subject.ids"),
        (base().rename("credential.forward", "forwards"), "forwards", "forwards"),
    ] {
        let document = document.build();
        let place = document.lines().position(|text| text.contains(line)).expect("the line") + 1;
        let refused = paykore.operator.apply(&document).await.expect_err("it is refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let output = refused.message();
        assert!(
            output.contains(&format!("line {place}")) && output.contains(word),
            "{place} {word}: {output}"
        );
    }
    let kept = paykore.at(LIVE, PAY, &[]);
    assert_eq!(kept.status, 401, "the version before goes on");
}
