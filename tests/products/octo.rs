//! Products that are not shipped: their documents are enough to serve them.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_testing::{Echo, Envoy, EnvoySetup, Folder, Setup, key, program, with_key};

use crate::Product;

/// Returns the credentials of `curl -u KEY:`.
fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_product_works_by_its_document_alone() {
    let latchkey = Setup::default().profile("octo", include_str!("octo.toml")).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("octocat", "octo", "").await;
    let envoy = Envoy::start(latchkey.grpc(), &EnvoySetup::default());
    let octo = Product { host: "api.octo.example", envoy, operator, latchkey };
    let mut ask = key("octocat", "");
    ask.scopes = vec!["repo".to_owned()];
    let (_, value) = octo.operator.key(ask).await;
    assert!(value.starts_with("ghp_") && value.len() == 40);
    for scheme in ["token", "Bearer"] {
        let answer = octo.send("GET /repos/octo/hello", &[("authorization", &format!("{scheme} {value}"))]);
        assert_eq!(answer.header("x-oauth-scopes"), Some("repo"));
        assert_eq!(Echo::of(&answer).all("x-octo-actor"), ["octocat"]);
    }
    let hidden = octo.send("GET /orgs/octo", &[("authorization", &format!("token {value}"))]);
    assert_eq!((hidden.status, hidden.json()["message"].as_str()), (404, Some("Not Found")));
    assert_eq!(octo.send("GET /zen", &[]).status, 200);
    assert_eq!(octo.send("GET /user", &[]).json()["message"], "Requires authentication");
}

/// Asserts that a document is valid and that its examples pass.
fn assert_examples_pass(name: &str, document: &str) {
    let folder = Folder::new(name);
    let file = folder.write(&format!("{name}.toml"), document);
    for (words, expected) in [(["profile", "lint"], "1 document"), (["profile", "test"], ", 0 failed")] {
        let output = std::process::Command::new(program()).args(words).arg(&file).output();
        let output = output.expect("the program runs");
        let reported = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && reported.contains(expected), "{reported}");
    }
}

async fn fox(document: &str) -> Product {
    let latchkey = Setup::default().profile("fox", document).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "fox", "").await;
    let envoy = Envoy::start(latchkey.grpc(), &EnvoySetup::default());
    Product { host: "api.fox.example", envoy, operator, latchkey }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_around_a_parameter_binds_a_key_and_a_source_takes_one_format() {
    let fox = fox(include_str!("fox.toml")).await;
    let mut ask = key("acme", "live");
    ask.bindings = HashMap::from([("account".to_owned(), "ac_1".to_owned())]);
    let (_, bound) = fox.operator.key(ask).await;
    for (call, status) in [
        ("GET /v1/accounts/ac_1.json", 200),
        ("GET /v1/accounts/ac%5F1.json", 200),
        ("GET /v1/accounts/ac_2.json", 401),
        ("GET /v1/accounts/ac_1.json.json", 401),
        ("GET /v1/accounts/.json", 404),
        ("GET /v1/accounts/ac_1.JSON", 404),
        ("GET /v1/accounts/ac_1", 404),
        ("POST /v1/accounts/ac_1:close", 200),
        ("POST /v1/accounts/ac_2:close", 401),
        ("POST /v1/accounts/:close", 404),
        ("GET /v1/accounts/ac_1:close", 404),
    ] {
        assert_eq!(fox.send(call, &[("authorization", &basic(&bound))]).status, status, "{call}");
    }
    let issued = fox.latchkey.anonymous().tokens().issue_jwt(with_key(&bound)).await;
    let token = issued.expect("issued").into_inner().access_token;
    for (authorization, status) in [(format!("Bearer {token}"), 200), (basic(&token), 401)] {
        let answer = fox.send("GET /v1/accounts/ac_1.json", &[("authorization", &authorization)]);
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_in_another_style_works_by_its_document() {
    let document = include_str!("fox.toml");
    assert_examples_pass("fox", document);
    let fox = fox(document).await;
    let (_, secret) = fox.operator.key(key("acme", "live")).await;
    let mut ask = key("acme", "test");
    ask.kind = "publishable".to_owned();
    let (_, publishable) = fox.operator.key(ask).await;
    let listed = fox.send("GET /v1/charges", &[("authorization", &basic(&secret))]);
    assert!(Echo::of(&listed).all("authorization").is_empty());
    assert_eq!(listed.header("ratelimit"), Some(r#""default";r=24;t=1"#));
    let refused = |call: &str, key: &str| {
        let answer = fox.send(call, &[("authorization", &basic(key))]);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let body = answer.json();
        assert!(body["timestamp"].as_str().is_some_and(|time| time.len() == 24), "{body}");
        (answer.status, body["instance"].as_str().map(str::to_owned))
    };
    assert_eq!(refused("GET /v1/charges?x=1", &publishable), (403, Some("/v1/charges".to_owned())));
    assert_eq!(refused("GET /v1/nothing", &secret), (404, Some("/v1/nothing".to_owned())));
    assert_eq!(fox.send("POST /v1/tokens", &[("authorization", &basic(&publishable))]).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_with_an_account_as_user_name_and_a_key_as_password_works_by_its_document() {
    let document = include_str!("kite.toml");
    assert_examples_pass("kite", document);
    let latchkey = Setup::default().profile("kite", document).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "kite", "").await;
    let envoy = Envoy::start(latchkey.grpc(), &EnvoySetup::default());
    let kite = Product { host: "api.kite.example", envoy, operator, latchkey };
    let mut ask = key("acme", "");
    ask.bindings = HashMap::from([("account".to_owned(), "AC1".to_owned())]);
    let (_, value) = kite.operator.key(ask).await;
    let send = |user: &str| {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{value}")));
        kite.send("POST /2010-04-01/Accounts/AC1/Messages.json", &[("authorization", &basic)])
    };
    let passed = send("AC1");
    assert!(passed.status == 200 && passed.header("x-amzn-requestid").is_some(), "{passed:?}");
    assert!(Echo::of(&passed).all("authorization").is_empty());
    let refused = send("AC2");
    assert_eq!((refused.status, &refused.json()["code"]), (403, &serde_json::json!(20403)));
    assert_eq!(refused.header("content-type"), Some("application/x-amz-json-1.1"));
    let query = kite.send(&format!("POST /2010-04-01/Accounts/AC1/Messages.json?apikey={value}&to=1"), &[]);
    assert_eq!(Echo::of(&query).path(), "/2010-04-01/Accounts/AC1/Messages.json?to=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_shows_the_used_part_of_a_bucket_works_by_its_document() {
    let document = include_str!("mill.toml");
    assert_examples_pass("mill", document);
    let latchkey = Setup::default().profile("mill", document).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "mill", "").await;
    let envoy = Envoy::start(latchkey.grpc(), &EnvoySetup::default());
    let mill = Product { host: "north.mill.example", envoy, operator, latchkey };
    let (_, value) = mill.operator.key(key("acme", "")).await;
    let send = |call: &str| mill.send(call, &[("x-mill-access-token", &value)]);
    let first = send("GET /admin/api/2026-10/orders.json?limit=5");
    assert_eq!(first.header("x-mill-api-call-limit"), Some("1/40"));
    assert!(Echo::of(&first).all("x-mill-access-token").is_empty());
    let refused = send("POST /admin/api/2026-10/orders.json");
    let expected = "[API] This action requires merchant approval for write_orders scope.";
    assert_eq!((refused.status, refused.json()["errors"].as_str()), (403, Some(expected)));
}
