//! Every name and filter of templates, in headers and in bodies of several types.

use std::collections::HashMap;

use latchkey_testing::{Echo, Request, key};

use crate::Product;

const DOCUMENT: &str = r#"
name = "kiosk"
[credential]
sources = ["header:x-key"]
[resource]
shop = "header:x-shop"
[[hosts]]
host = "*"
environment = "live"
[[kinds]]
name = "secret"
default = true
prefixes = { live = "ko_live_", test = "ko_test_" }
checksum = true
[[scopes]]
name = "b.write"
[[scopes]]
name = "a.read"
[[scopes]]
name = "c.rare"
[[scopes]]
name = "d.rare"
[[routes]]
path = "/v1/things/{id}"
scopes = ["a.read", "b.write"]
[[routes]]
path = "/v1/rare"
scopes = ["c.rare", "d.rare"]
[[routes]]
path = "/health"
public = true
[rate_limits]
default = [{ per = "key", rate = "60/min" }]
[request_id]
prefix = "rq-"
[upstream_headers]
x-request = "{{ request_id }}"
x-reason = "{{ reason }}"
x-environment = "{{ environment | upper }}"
x-tenant = "{{ tenant.slug }}/{{ tenant.id }}"
x-subject = "{{ subject.type }} {{ subject.id }} {{ subject.name }}"
x-key = "{{ key.kind | capitalize }} {{ key.expire_date }}"
x-scopes = "{{ scopes }}"
x-scope-list = "{{ scopes | join(\",\") }}"
x-scope-json = "{{ scopes | json }}"
x-binding = "{{ bindings.shop | default(\"none\") }}"
x-meta = "{{ metadata.team | urlencode }}"
x-none = "{{ metadata.nothing }}"
x-route = "{{ route.path }}"
x-rate = "{{ rate_limit.bucket }} {{ rate_limit.limit }} {{ rate_limit.remaining }} {{ rate_limit.retry_after }}"
x-short = "{{ subject.name | replace(\"-\", \" \") | truncate(3) | lower | trim }}"
[response_headers]
x-trace = "{{ request_id }}"
x-empty = "{{ bindings.nothing }}"
[[denials]]
reasons = ["INSUFFICIENT_SCOPE"]
status = 403
headers = { content-type = "application/vnd.kiosk+json; charset=utf-8" }
body = '{"who":"{{ subject.name }}","missing":{{ missing_scopes | json }},"list":"{{ missing_scopes | join(", ") }}","route":"{{ route.path }}","shop":"{{ bindings.shop }}"}'
[[denials]]
reasons = ["RESOURCE_MISMATCH"]
headers = { content-type = "text/html" }
body = '<p>{{ subject.name }}</p>'
[[denials]]
body = 'no: {{ reason }} {{ message }}'
"#;

async fn kiosk() -> (Product, latchkey_proto::v1::Key, String) {
    let kiosk = Product::of(DOCUMENT).await;
    let mut ask = key("acme", "live");
    r#"Q-"<\>"#.clone_into(&mut ask.name);
    ask.scopes = vec!["b.write".to_owned(), "a.read".to_owned()];
    ask.bindings = HashMap::from([("shop".to_owned(), "s 1".to_owned())]);
    ask.metadata = HashMap::from([("team".to_owned(), "a&b c".to_owned())]);
    ask.expiry = Some(latchkey_proto::v1::create_key_request::Expiry::ExpireTime(prost_types::Timestamp {
        seconds: 4_102_444_800,
        nanos: 0,
    }));
    let (made, value) = kiosk.operator.key(ask).await;
    (kiosk, made, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_and_filter_reaches_the_upstream() {
    let (kiosk, made, value) = kiosk().await;
    let answer =
        kiosk.send("GET /v1/things/7?x=1", &[("x-key", &value), ("x-none", "forged"), ("x-shop", "s 1")]);
    let echo = Echo::of(&answer);
    let trace = answer.header("x-trace").expect("an identifier");
    assert!(trace.len() == 13 && trace.starts_with("rq-"));
    for (name, output) in [
        ("x-request", trace.to_owned()),
        ("x-environment", "LIVE".to_owned()),
        ("x-tenant", format!("acme/{}", made.tenant_id)),
        ("x-subject", format!(r#"key {} Q-"<\>"#, made.id)),
        ("x-key", "Secret 2100-01-01".to_owned()),
        ("x-scopes", "a.read b.write".to_owned()),
        ("x-scope-list", "a.read,b.write".to_owned()),
        ("x-scope-json", r#"["a.read","b.write"]"#.to_owned()),
        ("x-binding", "s 1".to_owned()),
        ("x-meta", "a%26b%20c".to_owned()),
        ("x-route", "/v1/things/{id}".to_owned()),
        ("x-rate", "key/default 60 59 0".to_owned()),
        ("x-short", r#"q ""#.to_owned()),
    ] {
        assert_eq!(echo.all(name), [output], "{name}");
    }
    for name in ["x-none", "x-reason"] {
        assert!(echo.all(name).is_empty(), "{name} is empty, and left out");
    }
    assert!(answer.header("x-empty").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_escaped_for_their_type() {
    let (kiosk, _, value) = kiosk().await;
    let forbidden = kiosk.send("GET /v1/rare", &[("x-key", &value)]);
    let output = r#"{"who":"Q-\"<\\>","missing":["c.rare","d.rare"],"list":"c.rare, d.rare","route":"/v1/rare","shop":"s 1"}"#;
    assert_eq!((forbidden.status, forbidden.body.as_str()), (403, output));
    assert_eq!(forbidden.header("content-type"), Some("application/vnd.kiosk+json; charset=utf-8"));
    let other = kiosk.send("GET /v1/things/1", &[("x-key", &value), ("x-shop", "s2")]);
    assert_eq!((other.status, other.body.as_str()), (403, "<p>Q-&quot;&lt;\\&gt;</p>"));
    let nobody = kiosk.send("GET /v1/things/1", &[]);
    assert!(nobody.status == 401 && nobody.body.starts_with("no: MISSING_CREDENTIAL "), "{nobody:?}");
    assert_eq!(nobody.header("content-type"), Some("text/plain"));
    assert!(nobody.header("x-trace").is_some_and(|id| id.starts_with("rq-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_route_passes_without_a_credential_and_without_an_identity() {
    let (kiosk, _, value) = kiosk().await;
    for headers in [vec![], vec![("x-key", "ko_live_wrong")], vec![("x-key", value.as_str())]] {
        let answer = kiosk.send("GET /health", &[headers, vec![("x-subject", "forged")]].concat());
        let echo = Echo::of(&answer);
        assert!(!echo.text().contains("forged"), "{}", echo.text());
        assert_eq!(echo.all("x-route"), ["/health"]);
        assert!(answer.header("x-trace").is_some());
    }
    let long = Request::get("h", &format!("/v1/things/{}", "a".repeat(3_000))).header("x-key", &value);
    assert_eq!(kiosk.envoy.send(&long).status, 200);
}
