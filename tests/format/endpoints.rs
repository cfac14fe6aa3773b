//! An endpoint that refers to missing declarations is refused when its document is applied, with line and
//! reason, so that no call fails because of it.

use latchkey_proto::v1::RefreshJwtRequest;
use latchkey_testing::{ProfileBuilder, Request, Setup, scoped, user, with_key};
use tonic::Code;
use tonic_types::StatusExt as _;

const DOCUMENT: &str = r#"
name = "kiosk"
[[kinds]]
name = "secret"
prefix = "ko_"
[[endpoints]]
method = "POST"
path = "/v1/keys/{shop}"
rpc = "CreateKey"
body = { name = "text", tags = "texts?" }
fields = { name = "{{ body.name }}", metadata = { shop = "{{ path.shop }}" } }
answer = '{"id":"{{ answer.key.id }}","key":"{{ answer.secret }}"}'
[[errors]]
codes = ["INVALID_ARGUMENT", "METHOD_NOT_ALLOWED"]
body = '{"error":"{{ message }}"}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_names_what_is_not_there_is_refused_when_it_is_applied() {
    let latchkey = Setup::default().start();
    let operator = latchkey.operator();
    let _ = operator.apply(DOCUMENT).await.expect("as it stands it is in order");
    let base = || ProfileBuilder::from_document(DOCUMENT);
    let set = |path: &str, value: &str| base().set(path, value);
    let (name, shop) = ("endpoints[0].fields.name", "endpoints[0].fields.metadata.shop");
    for (document, expected) in [
        (set("endpoints[0].rpc", "MakeKey"), "there is no RPC \"MakeKey\""),
        (set("endpoints[0].rpc", "SuspendTenant"), "there is no RPC \"SuspendTenant\""),
        (base().rename(name, "label"), "CreateKey has no field \"label\""),
        (set(name, "{{ body.nam }}"), "unknown name \"body.nam\""),
        (set(shop, "{{ path.till }}"), "unknown name \"path.till\""),
        (set("endpoints[0].answer", "{{ answer.hash }}"), "unknown name \"answer.hash\""),
        (set("endpoints[0].body.tags", "list"), "\"list\" is none of"),
        (base().add("endpoints[0].fields.all_scopes", "true"), "write true or false without quotes"),
        (base().add("endpoints[0].fields.all_scopes", 1), "expected true or false, found a whole number"),
        (set("endpoints[0].path", "v1/keys"), "path"),
        (set("errors[0].codes[1]", "TEAPOT"), "\"TEAPOT\" is not a code"),
        (set("endpoints[0].method", "PO ST"), "is not a method"),
        (base().rename("endpoints[0].answer", "reply"), "the field \"answer\" is missing"),
    ] {
        let document = document.build();
        let refused = operator.apply(&document).await.expect_err("it is refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let violations = refused.get_details_bad_request().expect("field violations").field_violations;
        let matches = |text: &str| text.contains(expected) && text.contains("line ");
        assert!(violations.iter().any(|one| matches(&one.description)), "{expected}: {violations:?}");
    }
}

const CHOOSER: &str = r#"
name = "chooser"
unmatched_routes = "authenticate"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
prefix = "ch_"
[[scopes]]
name = "orders.read"
[[scopes]]
name = "orders.write"
[[scopes]]
name = "api_keys.manage"
[[endpoints]]
method = "POST"
path = "/chosen"
rpc = "CreateKey"
body = { name = "text", everything = "boolean?" }
fields = { name = "{{ body.name }}", all_scopes = "{{ body.everything }}" }
answer = '{"scopes":{{ answer.key.scopes | json }}}'
[[endpoints]]
method = "POST"
path = "/always"
rpc = "CreateKey"
body = { name = "text" }
fields = { name = "{{ body.name }}", all_scopes = true }
answer = '{"scopes":{{ answer.key.scopes | json }}}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_grants_all_scopes_of_its_caller_where_the_document_or_the_body_says_so() {
    let (latchkey, operator) = Setup::default().open("chooser", CHOOSER, &["acme"]).await;
    let (_, manager) = operator.key(scoped("acme", &["api_keys.manage", "orders.read"])).await;
    let send = |path: &str, body: &str| {
        let request = Request::new("POST", "chooser.example", path).header("x-api-key", &manager).json(body);
        request.send(latchkey.http())
    };
    let none = serde_json::json!({ "scopes": [] });
    let all = serde_json::json!({ "scopes": ["orders.read"] });
    for (path, body, expected) in [
        ("/chosen", r#"{"name":"a"}"#, &none),
        ("/chosen", r#"{"name":"a","everything":false}"#, &none),
        ("/chosen", r#"{"name":"a","everything":true}"#, &all),
        ("/always", r#"{"name":"a"}"#, &all),
    ] {
        let answer = send(path, body);
        assert_eq!((answer.status, &answer.json()), (200, expected), "{path} {body}");
    }
    for wrong in [r#""true""#, "1", "[true]", r#"{"x":true}"#] {
        let answer = send("/chosen", &format!(r#"{{"name":"a","everything":{wrong}}}"#));
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
        assert!(answer.body.contains("everything must be true or false"), "{}", answer.body);
    }
}

const ISSUER: &str = r#"
name = "issuer"
unmatched_routes = "authenticate"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
prefix = "is_"
[jwt]
issuer = "https://issuer.example"
audience = "issuer"
ttl = "1h"
issue_rate = "2/h"
[[endpoints]]
method = "POST"
path = "/token"
rpc = "IssueJwt"
fields = { api_key = "{{ header.x-api-key }}" }
answer = '{"token":"{{ answer.access_token }}"}'
[[errors]]
body = '{"status":{{ status }},"title":"{{ status_text }}"}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_tokens_says_at_an_endpoint_when_it_has_room() {
    let (latchkey, operator) = Setup::default().open("issuer", ISSUER, &["acme"]).await;
    let (_, key) = operator.plain_key("acme", "live").await;
    let send =
        || Request::new("POST", "issuer.example", "/token").header("x-api-key", &key).send(latchkey.http());
    let issued = (0..5).map(|_| send()).take_while(|answer| answer.status == 200).count();
    assert!((1..5).contains(&issued), "{issued}");
    let limited = send();
    let title = serde_json::json!({ "status": 429, "title": "Too Many Requests" });
    assert_eq!((limited.status, limited.json()), (429, title));
    let wait = limited.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
    assert!(
        wait.is_some_and(|wait| (900..=1_800).contains(&wait)),
        "a token is refilled in 1800 s: {wait:?}"
    );
}

const FRONT: &str = r#"
name = "front"
[[hosts]]
host = "front.example"
environment = "live"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
prefix = "fr_"
[[scopes]]
name = "orders.read"
[[roles]]
name = "clerk"
scopes = ["orders.read"]
[jwt]
issuer = "https://front.example"
audience = "front"
[[routes]]
path = "/login"
public = true
[[routes]]
path = "/renew"
public = true
[[routes]]
path = "/token"
public = true
[[routes]]
path = "/revoke"
public = true
[[endpoints]]
method = "POST"
path = "/login"
rpc = "IssueJwt"
body = { tenant = "text", password = "text" }
fields = { tenant = "{{ body.tenant }}", "password.email" = "ada@example.dev", "password.password" = "{{ body.password }}" }
answer = '{"token":"{{ answer.access_token }}"}'
[[endpoints]]
method = "POST"
path = "/renew"
rpc = "RefreshJwt"
body = { token = "text" }
fields = { refresh_token = "{{ body.token }}" }
answer = '{"token":"{{ answer.access_token }}"}'
[[endpoints]]
method = "POST"
path = "/token"
rpc = "IssueJwt"
body = { key = "text" }
fields = { api_key = "{{ body.key }}" }
answer = '{"token":"{{ answer.access_token }}"}'
[[endpoints]]
method = "POST"
path = "/revoke"
rpc = "RevokeJwt"
body = { token = "text" }
fields = { token = "{{ body.token }}" }
answer = '{}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_issues_tokens_of_its_own_product_alone() {
    const PASSWORD: &str = "the sea at night, 1815";
    let (latchkey, operator) = Setup::default().open("front", FRONT, &["acme"]).await;
    let back = FRONT.split("[[routes]]").next().unwrap_or_default().replace("front", "back");
    let _ = operator.apply(&back.replace("fr_", "ba_")).await.expect("another product");
    let _ = operator.tenant("bank", "back", "").await;
    let send = |path: &str, body: &serde_json::Value| {
        Request::new("POST", "front.example", path).json(&body.to_string()).send(latchkey.http()).status
    };
    for (tenant, expected) in [("acme", 200), ("bank", 401)] {
        let _ = operator.user(user(tenant, ("ada@example.dev", PASSWORD), "clerk")).await;
        let login = serde_json::json!({ "tenant": tenant, "password": PASSWORD });
        assert_eq!(send("/login", &login), expected, "{tenant}");
        let (_, key) = operator.plain_key(tenant, "live").await;
        assert_eq!(send("/token", &serde_json::json!({ "key": key })), expected, "{tenant}");
        let mut tokens = latchkey.anonymous().tokens();
        let issued = tokens.issue_jwt(with_key(&key)).await.expect("by gRPC").into_inner();
        assert_eq!(
            send("/renew", &serde_json::json!({ "token": issued.refresh_token })),
            expected,
            "{tenant}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_ends_tokens_of_its_own_product_alone() {
    let (latchkey, operator) = Setup::default().open("front", FRONT, &["acme"]).await;
    let back = FRONT.split("[[routes]]").next().unwrap_or_default().replace("front", "back");
    let _ = operator.apply(&back.replace("fr_", "ba_")).await.expect("another product");
    let _ = operator.tenant("bank", "back", "").await;
    let mut tokens = latchkey.anonymous().tokens();
    for (tenant, ends) in [("acme", true), ("bank", false)] {
        let (_, key) = operator.plain_key(tenant, "live").await;
        for by_refresh_token in [true, false] {
            let issued = tokens.issue_jwt(with_key(&key)).await.expect("by gRPC").into_inner();
            let token = if by_refresh_token { &issued.refresh_token } else { &issued.access_token };
            let body = serde_json::json!({ "token": token }).to_string();
            let answer = Request::new("POST", "front.example", "/revoke").json(&body).send(latchkey.http());
            assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "RFC 7009: success");
            let renew = RefreshJwtRequest { refresh_token: issued.refresh_token, ..Default::default() };
            let renewed = tokens.refresh_jwt(renew).await.map(|_| ()).map_err(|refused| refused.code());
            let expected = if ends { Err(Code::Unauthenticated) } else { Ok(()) };
            assert_eq!(renewed, expected, "{tenant}, {by_refresh_token}");
        }
    }
}
