//! Lumen's API Keys API, as its documentation shows it: through Envoy, answered by the document.

use latchkey_testing::{Answer, Echo, EnvoySetup, Request, Setup, key};
use serde_json::{Value, json};

use crate::Product;

const HOST: &str = "api.getlumen.dev";

/// Opens Lumen with a secret key of `acme` that may manage keys.
async fn lumen() -> (Product, String) {
    let product = Product::counter("lumen", HOST, "/v1/api-keys").await;
    let (_, value) = product.operator.plain_key("acme", "live").await;
    (product, value)
}

impl Product {
    /// Opens a product with Latchkey's own HTTP port behind a prefix.
    pub(crate) async fn counter(name: &str, host: &'static str, prefix: &str) -> Self {
        let latchkey = Setup::default().shipped(name).start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", name, "").await;
        let counter = Some((latchkey.http(), vec![prefix.to_owned()]));
        let envoy =
            latchkey_testing::Envoy::start(latchkey.grpc(), &EnvoySetup { counter, ..EnvoySetup::default() });
        Self { host, envoy, operator, latchkey }
    }

    pub(crate) fn json(&self, call: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let request = Request::new(method, self.host, path).json(body);
        self.envoy.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
    }
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// Returns the body of a success, without the values that differ each time, whose format is checked.
fn data(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut body = answer.json();
    assert_eq!(body["success"], true);
    let mut data = body["data"].take();
    let items = match &mut data {
        Value::Array(items) => items.iter_mut().collect(),
        one => vec![one],
    };
    for item in items {
        let id = item["id"].take();
        assert!(id.as_str().is_some_and(|id| id.starts_with("apk_") && id.len() == 36), "{id}");
        for time in ["createdAt", "revokedAt"] {
            let Some(Value::String(time)) = item.get_mut(time).map(Value::take) else { continue };
            assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
        }
    }
    data
}

fn id(answer: &Answer) -> String {
    answer.json()["data"]["id"].as_str().expect("an identifier").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_created_as_documented_and_its_value_shown_once() {
    let (lumen, value) = lumen().await;
    let (auth, body) = (bearer(&value), r#"{"name":"My New Key","keyType":"secret","environment":"live"}"#);
    let made = lumen.json("POST /v1/api-keys", &[("authorization", &auth)], body);
    let output = made.json()["data"]["keyValue"].as_str().expect("a value").to_owned();
    assert!(output.starts_with("lum_sk_live_"));
    let documented = json!({
        "id": null, "name": "My New Key", "keyType": "secret", "environment": "live",
        "keyValue": output, "prefix": "lum_sk_live_", "createdAt": null,
    });
    assert_eq!(data(&made), documented);
    let _ = Echo::of(&lumen.send("GET /v1/customers", &[("authorization", &bearer(&output))]));
    let listed = lumen.send("GET /v1/api-keys", &[("authorization", &auth)]);
    let item = json!({
        "id": null, "name": "My New Key", "keyType": "secret", "environment": "live",
        "prefix": "lum_sk_live_", "createdAt": null,
    });
    assert_eq!(data(&listed)[0], item);
    assert!(
        !listed.body.contains(&output) && listed.json()["data"].as_array().is_some_and(|all| all.len() == 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publishable_key_is_read_again_as_documented() {
    let (lumen, value) = lumen().await;
    let auth = bearer(&value);
    let ask = r#"{"name":"My Publishable Key","keyType":"publishable"}"#;
    let made = lumen.json("POST /v1/api-keys", &[("authorization", &auth)], ask);
    let output = made.json()["data"]["keyValue"].clone();
    for path in ["/v1/api-keys/publishable", "/v1/api-keys/publishable?environment=live"] {
        let read = lumen.send(&format!("GET {path}"), &[("authorization", &auth)]);
        let documented = json!({
            "id": null, "name": "My Publishable Key", "keyType": "publishable", "environment": "live",
            "keyValue": output, "prefix": "lum_pk_live_", "createdAt": null,
        });
        assert_eq!((data(&read), id(&read)), (documented, id(&made)));
    }
    let none = lumen.send("GET /v1/api-keys/publishable?environment=test", &[("authorization", &auth)]);
    assert_eq!((none.status, none.json()["error"]["code"].clone()), (404, json!("not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_revoked_as_documented_at_once_and_for_good() {
    let (lumen, value) = lumen().await;
    let auth = bearer(&value);
    let body = r#"{"name":"Old","keyType":"secret"}"#;
    let made = lumen.json("POST /v1/api-keys", &[("authorization", &auth)], body);
    let old = made.json()["data"]["keyValue"].as_str().expect("a value").to_owned();
    let _ = Echo::of(&lumen.send("GET /v1/customers", &[("authorization", &bearer(&old))]));
    let call = format!("DELETE /v1/api-keys/{}", id(&made));
    let revoked = lumen.send(&call, &[("authorization", &auth)]);
    assert_eq!((data(&revoked), id(&revoked)), (json!({ "id": null, "revokedAt": null }), id(&made)));
    assert_eq!(lumen.send("GET /v1/customers", &[("authorization", &bearer(&old))]).status, 401);
    let again = lumen.send(&call, &[("authorization", &auth)]);
    assert_eq!((again.status, id(&again)), (200, id(&made)), "it is revoked");
    let listed = lumen.send("GET /v1/api-keys", &[("authorization", &auth)]);
    assert!(!listed.body.contains(&id(&made)), "{}", listed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_body_is_the_products_own_400() {
    let (lumen, value) = lumen().await;
    let auth = bearer(&value);
    let large = format!(r#"{{"name":"{}","keyType":"secret"}}"#, "x".repeat(70_000));
    for (body, message) in [
        ("{", "The body is not JSON."),
        ("", "The body is not JSON."),
        ("[]", "The body is not a JSON object."),
        (&large, "The body is too large."),
        (r#"{"keyType":"secret"}"#, "name is required."),
        (r#"{"name":7}"#, "name must be a string. keyType is required."),
        (r#"{"name":"x","keyType":"other"}"#, r#"keyType: "other" is not one of secret, publishable"#),
        (
            r#"{"name":"x","keyType":"secret","enviroment":"test"}"#,
            r#""enviroment" is not a field of this call; did you mean "environment"?"#,
        ),
    ] {
        let answer = lumen.json("POST /v1/api-keys", &[("authorization", &auth)], body);
        let error = json!({ "code": "invalid_argument", "message": message });
        let said = (answer.status, answer.json());
        assert_eq!(said, (400, json!({ "success": false, "error": error })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_data_and_never_template_text() {
    let (lumen, value) = lumen().await;
    let name = r#"{{ answer.secret }} "},{"x":"\ <b> {{ items }}"#;
    let body = json!({ "name": name, "keyType": "secret" }).to_string();
    let made = lumen.json("POST /v1/api-keys", &[("authorization", &bearer(&value))], &body);
    assert_eq!(data(&made)["name"], name);
    let listed = lumen.send("GET /v1/api-keys", &[("authorization", &bearer(&value))]);
    assert_eq!(data(&listed)[0]["name"], name);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rpcs_own_authorization_holds() {
    let (lumen, value) = lumen().await;
    let _ = lumen.operator.tenant("other", "lumen", "").await;
    let (theirs, other) = lumen.operator.plain_key("other", "live").await;
    let foreign = format!("DELETE /v1/api-keys/{}", theirs.id.replace("key_", "apk_"));
    let call = format!("DELETE /v1/api-keys/{}", theirs.id);
    for call in [&foreign, &call, "DELETE /v1/api-keys/apk_1"] {
        assert_eq!(lumen.send(call, &[("authorization", &bearer(&value))]).status, 404, "{call}");
    }
    let _ = Echo::of(&lumen.send("GET /v1/customers", &[("authorization", &bearer(&other))]));
    let mut ask = key("acme", "live");
    ask.scopes = vec!["pricing.read".to_owned()];
    let (_, narrow) = lumen.operator.key(ask).await;
    // Behind Envoy and, for a caller who bypasses it, at the port itself.
    for key in [Some(&narrow), None] {
        let header = key.map(|key| bearer(key));
        let headers: Vec<(&str, &str)> =
            header.iter().map(|value| ("authorization", value.as_str())).collect();
        let expected = if key.is_some() { 403 } else { 401 };
        let outside = lumen.send("GET /v1/api-keys", &headers);
        let request = Request::get(HOST, "/v1/api-keys");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let inside = request.send(lumen.latchkey.http());
        assert_eq!((outside.status, inside.status), (expected, expected));
        assert_eq!(outside.body, inside.body, "both are the product's own words");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_key_makes_test_keys_and_a_test_key_no_live_ones() {
    let (lumen, live) = lumen().await;
    let ask = |environment: &str| {
        json!({ "name": "k", "keyType": "secret", "environment": environment }).to_string()
    };
    let make = |key: &str, environment: &str| {
        lumen.json("POST /v1/api-keys", &[("authorization", &bearer(key))], &ask(environment))
    };
    let made = make(&live, "test");
    let test = made.json()["data"]["keyValue"].as_str().expect("a value").to_owned();
    assert!(test.starts_with("lum_sk_test_") && data(&made)["environment"] == "test");
    assert_eq!(make(&test, "test").status, 200);
    let refused = make(&test, "live");
    let error =
        json!({ "code": "forbidden", "message": "the caller belongs to test, and manages no keys of live" });
    assert_eq!((refused.status, refused.json()), (403, json!({ "success": false, "error": error })));
    assert_eq!(make(&live, "staging").status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_key_manages_test_keys_alone() {
    let (lumen, live) = lumen().await;
    let (test_key, test) = lumen.operator.plain_key("acme", "test").await;
    let (live_key, _) = lumen.operator.plain_key("acme", "live").await;
    let call = |method: &str, id: &str| format!("{method} /v1/api-keys/{}", id.replace("key_", "apk_"));
    let send = |key: &str, call: &str| lumen.send(call, &[("authorization", &bearer(key))]);
    assert_eq!(send(&test, &call("DELETE", &live_key.id)).status, 404);
    let listed = send(&test, "GET /v1/api-keys");
    assert!(!listed.body.contains(r#""environment":"live""#), "{}", listed.body);
    for environment in ["live", "test"] {
        let body = format!(r#"{{"name":"p","keyType":"publishable","environment":"{environment}"}}"#);
        assert_eq!(lumen.json("POST /v1/api-keys", &[("authorization", &bearer(&live))], &body).status, 200);
    }
    let own = |key: &str| send(key, "GET /v1/api-keys/publishable").json()["data"]["environment"].clone();
    assert_eq!((own(&live), own(&test)), (json!("live"), json!("test")), "each environment's own");
    assert_eq!(send(&test, "GET /v1/api-keys/publishable?environment=live").status, 404);
    assert_eq!(send(&live, &call("DELETE", &test_key.id)).status, 200, "a live key manages test keys too");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_missing_methods_and_paths_have_the_products_format() {
    let (lumen, value) = lumen().await;
    let auth = bearer(&value);
    let send = |call: &str| lumen.send(call, &[("authorization", &auth)]);
    for (call, status, allow, code) in [
        ("PUT /v1/api-keys", 405, Some("GET, HEAD, POST"), "method_not_allowed"),
        ("POST /v1/api-keys/apk_1", 405, Some("DELETE"), "method_not_allowed"),
        ("GET /v1/api-keys/apk_1/more", 404, None, "not_found"),
    ] {
        let answer = send(call);
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{call}");
        assert_eq!(
            (&answer.json()["success"], &answer.json()["error"]["code"]),
            (&json!(false), &json!(code))
        );
    }
    let message = |call: &str| send(call).json()["error"]["message"].clone();
    assert_eq!(message("PUT /v1/api-keys"), "Only GET, HEAD, POST are allowed at this path.");
    assert_eq!(message("POST /v1/api-keys/apk_1"), "Only DELETE is allowed at this path.");
    let (head, get) = (send("HEAD /v1/api-keys"), send("GET /v1/api-keys"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(send("GET /v1/api-keys/").body, get.body, "a slash at the end changes nothing");
    let paged = send("GET /v1/api-keys?page=2");
    let message = r#""page" is not a query parameter of this call; it has none."#;
    assert_eq!((paged.status, &paged.json()["error"]["message"]), (400, &json!(message)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_however_it_is_sent() {
    let (lumen, value) = lumen().await;
    let post = || Request::new("POST", HOST, "/v1/api-keys").header("authorization", bearer(&value));
    let plain = r#"{"name":"K\u00e9y","keyType":"secret","environment":"live"}"#;
    let chunked = format!("{:x}\r\n{plain}\r\n0\r\n\r\n", plain.len());
    let sent = post().header("transfer-encoding", "chunked").body(&chunked);
    assert_eq!(data(&lumen.envoy.send(&sent))["name"], "Kéy");
    let typed = post().header("content-type", "application/json; charset=utf-8");
    let sent = typed.header("content-length", plain.len().to_string()).body(plain);
    assert_eq!(data(&lumen.envoy.send(&sent))["keyType"], "secret");
    let large = |padding: usize| {
        let filler = " ".repeat(padding);
        lumen.envoy.send(&post().json(&format!(r#"{{"name":"a","keyType":"secret"{filler}}}"#)))
    };
    let most = 64 * 1024 - r#"{"name":"a","keyType":"secret"}"#.len();
    assert_eq!([large(most).status, large(most + 1).status], [200, 400]);
    let deep = format!(r#"{{"name":"a","keyType":"secret","x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    for (body, message) in [
        (deep.as_str(), "The body is not JSON."),
        (r#"{"name":"a","name":"b","keyType":"secret"}"#, "name is there twice."),
        (r#"{"name":"a\u0000","keyType":"secret"}"#, "name: must not have control characters"),
    ] {
        let answer = lumen.envoy.send(&post().json(body));
        assert_eq!((answer.status, answer.json()["error"]["message"].clone()), (400, json!(message)));
    }
}
