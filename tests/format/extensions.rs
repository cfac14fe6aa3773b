//! Values of Envoy's routes (`context_extensions`) take precedence over the document's routes, and no client
//! can set them.

use latchkey_testing::{Echo, EnvoySetup, key};

use crate::Product;

const DOCUMENT: &str = r#"
name = "kiosk"
unmatched_routes = "deny"
[credential]
sources = ["header:x-key"]
[[kinds]]
name = "secret"
prefixes = { live = "ko_live_", test = "ko_test_" }
default_scopes = ["read", "write"]
[[scopes]]
name = "read"
aliases = ["view"]
[[scopes]]
name = "write"
[[routes]]
path = "/api/**"
scopes = ["write"]
[rate_limits]
default = [{ per = "key", rate = "100/min" }]
slow = [{ per = "key", rate = "2/h" }]
[upstream_headers]
x-environment = "{{ environment }}"
[response_headers]
x-limit = "{{ rate_limit.bucket }} {{ rate_limit.limit }}"
[[denials]]
status = 403
headers = { content-type = "application/json", x-missing = "{{ missing_scopes }}" }
body = '{"reason":"{{ reason }}","missing":{{ missing_scopes | json }}}'
"#;

const OTHER: &str = r#"
name = "other"
unmatched_routes = "authenticate"
[credential]
sources = ["query:k"]
[[kinds]]
name = "secret"
prefix = "ot_"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn envoys_routes_win_over_the_documents() {
    let setup = EnvoySetup::default()
        .route("/api/read", &[("profile", "kiosk"), ("scopes", "view")])
        .route("/api/both", &[("profile", "kiosk"), ("scopes", "read,write")])
        .route("/api/free", &[("profile", "kiosk"), ("scopes", "")])
        .route("/api/slow", &[("profile", "kiosk"), ("scopes", "read"), ("rate_class", "slow")])
        .route("/api/test", &[("profile", "kiosk"), ("scopes", "read"), ("environment", "test")])
        .route("/api/till", &[("profile", "kiosk"), ("scopes", "read"), ("resource.till", "t1")])
        .route("/api/other", &[("profile", "other")])
        .route("/api/nobody", &[("profile", "nobody")])
        .route("/outside", &[("profile", "kiosk"), ("scopes", "read")])
        .route("/", &[("profile", "kiosk")]);
    let kiosk = Product::asked(DOCUMENT, &setup).await;
    kiosk.operator.apply(OTHER).await.expect("another product");
    let _ = kiosk.operator.tenant("else", "other", "").await;
    let mut ask = key("acme", "live");
    ask.scopes = vec!["view".to_owned()];
    ask.bindings = [("till".to_owned(), "t2".to_owned())].into();
    let (_, value) = kiosk.operator.key(ask).await;
    let (_, foreign) = kiosk.operator.plain_key("else", "").await;
    let ask = |path: &str| kiosk.send(&format!("GET {path}"), &[("x-key", &value)]);
    let said = |path: &str| ask(path).json()["reason"].as_str().map(str::to_owned);
    assert_eq!(Echo::of(&ask("/api/read")).all("x-environment"), ["live"]);
    assert_eq!(said("/api/both").as_deref(), Some("INSUFFICIENT_SCOPE"));
    assert_eq!(ask("/api/both").header("x-missing"), Some("write"));
    assert_eq!(ask("/api/slow").header("x-limit"), Some("key/slow 2"));
    assert_eq!(ask("/api/slow").status, 200);
    assert_eq!(said("/api/slow").as_deref(), Some("RATE_LIMITED"));
    assert_eq!(said("/api/test").as_deref(), Some("ENVIRONMENT_MISMATCH"));
    assert_eq!(said("/api/till").as_deref(), Some("RESOURCE_MISMATCH"));
    assert_eq!(said("/api/x").as_deref(), Some("INSUFFICIENT_SCOPE"));
    assert_eq!(said("/elsewhere").as_deref(), Some("ROUTE_NOT_ALLOWED"));
    assert_eq!(kiosk.send("GET /api/nobody", &[("x-key", &value)]).status, 403);
    assert_eq!(kiosk.send(&format!("GET /api/other?k={foreign}"), &[]).status, 200);
    assert_eq!(kiosk.send(&format!("GET /api/other?k={value}"), &[]).status, 401);
    let forged =
        [("x-key", value.as_str()), ("scopes", "read"), ("profile", "other"), ("x-envoy-scopes", "")];
    assert_eq!(kiosk.send("GET /api/both", &forged).status, 403);
    assert_eq!(ask("/outside").status, 200, "what the route says stands in place of the document's routes");
    assert_eq!(
        said("/api/free").as_deref(),
        Some("ROUTE_NOT_ALLOWED"),
        "a route that lists no scope is a mistake"
    );
}
