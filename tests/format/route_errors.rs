//! Calls that no route takes, through a real Envoy: 404 for a path, 405 with the methods for a method.

use latchkey_proto::v1::{CheckRequest, Reason};

use crate::Product;

const DOCUMENT: &str = r#"
name = "depot"
route_errors = "after_authentication"
[credential]
sources = ["header:x-key"]
[[kinds]]
name = "secret"
prefix = "de_"
[[routes]]
methods = ["OPTIONS"]
path = "/**"
public = true
[[routes]]
methods = ["GET", "PUT"]
path = "/v1/stock/{id}"
[[denials]]
reasons = ["METHOD_NOT_ALLOWED"]
headers = { content-type = "application/json" }
body = '{"error":"method","allowed":{{ allowed_methods | json }}}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_not_found_and_a_method_is_not_allowed() {
    let depot = Product::of(DOCUMENT).await;
    let (_, value) = depot.operator.plain_key("acme", "").await;
    let key = [("x-key", value.as_str())];
    for (call, headers, status, allow) in [
        ("GET /v1/stock/7", &key[..], 200, None),
        ("HEAD /v1/stock/7", &key, 200, None),
        ("DELETE /v1/stock/7", &key, 405, Some("OPTIONS, GET, HEAD, PUT")),
        ("GET /v1/nothing", &key, 404, None),
        ("HEAD /v1/nothing", &key, 404, None),
        ("DELETE /v1/stock/7", &[], 401, None),
        ("GET /v1/nothing", &[], 401, None),
        ("OPTIONS /v1/nothing", &[], 200, None),
        ("GET /V1/stock/7", &key, 403, None),
    ] {
        let answer = depot.send(call, headers);
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{call}");
    }
    let answer = depot.send("DELETE /v1/stock/7", &key);
    assert_eq!(answer.body, r#"{"error":"method","allowed":["OPTIONS","GET","HEAD","PUT"]}"#);
    assert_eq!(depot.send("GET /v1/nothing", &key).json()["reason"], "ROUTE_NOT_FOUND");
    let grpc = [key[0], ("content-type", "application/grpc"), ("content-length", "0")];
    for path in ["/v1/stock/7", "/stock.v1.Stock/Get"] {
        let answer = depot.send(&format!("POST {path}"), &grpc);
        assert_eq!(answer.header("grpc-status"), Some("12"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_check_names_the_methods_of_the_path() {
    let depot = Product::of(DOCUMENT).await;
    let (_, value) = depot.operator.plain_key("acme", "").await;
    for (method, path, reason, allowed) in [
        ("POST", "/v1/stock/7", Reason::MethodNotAllowed, &["OPTIONS", "GET", "HEAD", "PUT"][..]),
        ("GET", "/v1/stock/7", Reason::Ok, &[]),
        ("GET", "/v1/nothing", Reason::RouteNotFound, &[]),
        ("GET", "/v1/STOCK/7", Reason::RouteNotAllowed, &[]),
    ] {
        let ask = CheckRequest {
            credential: value.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            explain: true,
            ..CheckRequest::default()
        };
        let answer = depot.operator.checks().check(ask).await.expect("a decision").into_inner();
        assert_eq!(answer.reason(), reason, "{method} {path}");
        assert_eq!(answer.allowed_methods, allowed, "{method} {path}");
    }
}
