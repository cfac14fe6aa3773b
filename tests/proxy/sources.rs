//! Sources beyond plain headers, spellings of a header, bodies that cannot be read, hosts, and denials of gRPC.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use latchkey_proto::v1::CreateKeyRequest;
use latchkey_testing::{
    Answer, Caller, Echo, Envoy, EnvoySetup, Latchkey, Request, Setup, both_ways, key, tool,
};

const DOCUMENT: &str = r#"
name = "edge"

[[hosts]]
host = "api.edge.dev"
environment = "live"
[[hosts]]
host = "*.sandbox.edge.dev"
environment = "test"

[credential]
sources = ["header:x-api-key", "basic:username", "websocket:bearer", "query:key"]

[resource]
merchant = "body:/merchant"
till = "header:x-till-id"

[[kinds]]
name = "secret"
prefixes = { live = "ek_live_", test = "ek_test_" }

[[routes]]
path = "/open"
public = true
[[routes]]
path = "/things/{id}"
encoded_slash = true
[[routes]]
path = "/v1/**"

[rate_limits]
default = [{ per = "key", rate = "2000/h" }]
"#;

struct Fixture {
    _latchkey: Latchkey,
    envoy: Envoy,
    operator: Caller,
}

both_ways!(
    a_key_is_a_user_name_of_basic_or_a_subprotocol,
    the_rest_of_a_query_stays_byte_for_byte,
    only_one_spelling_of_a_header_reaches_the_service,
    a_body_that_cannot_be_read_whole_is_denied_to_a_bound_key,
    a_body_of_unknown_length_is_denied_to_a_bound_key,
    a_host_that_two_proxies_read_differently_is_denied,
    an_encoded_slash_passes_where_a_route_permits_it,
    a_denied_call_of_grpc_has_a_status_of_its_own,
    an_empty_context_extension_denies,
);

impl Fixture {
    async fn open(raw: bool, setup: EnvoySetup) -> Self {
        let (latchkey, operator) = Setup::default().open("edge", DOCUMENT, &["acme"]).await;
        let envoy = Envoy::start(latchkey.grpc(), &EnvoySetup { raw_headers: raw, ..setup });
        Self { _latchkey: latchkey, envoy, operator }
    }

    async fn bound(&self) -> String {
        let bindings = [("merchant", "m_1"), ("till", "t_1")];
        let bindings: HashMap<String, String> =
            bindings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.operator.key(CreateKeyRequest { bindings, ..key("acme", "live") }).await.1
    }

    fn send(&self, request: &Request) -> Answer {
        self.envoy.send(request)
    }
}

fn get(path: &str) -> Request {
    Request::get("api.edge.dev", path)
}

fn base64(text: &str) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let number =
            (0..3).fold(0_usize, |number, at| number << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = digits[number >> (18 - 6 * at) & 63];
            encoded.push(if at > three.len() { '=' } else { char::from(digit) });
        }
    }
    encoded
}

async fn a_key_is_a_user_name_of_basic_or_a_subprotocol(raw: bool) {
    let fixture = Fixture::open(raw, EnvoySetup::default()).await;
    let (_, value) = fixture.operator.plain_key("acme", "live").await;
    let basic = format!("Basic {}", base64(&format!("{value}:")));
    let echo = Echo::of(&fixture.send(&get("/v1/x").header("authorization", &basic)));
    assert!(echo.all("authorization").is_empty(), "{}", echo.text());
    let offered = format!("graphql-ws, bearer, {value}");
    let echo = Echo::of(&fixture.send(&get("/v1/x").header("sec-websocket-protocol", &offered)));
    assert_eq!(echo.all("sec-websocket-protocol"), ["graphql-ws, bearer"]);
    let twice = get("/v1/x").header("authorization", &basic).header("x-api-key", &value);
    let _ = Echo::of(&fixture.send(&twice));
    let (_, other) = fixture.operator.plain_key("acme", "live").await;
    let two = get("/v1/x").header("authorization", &basic).header("x-api-key", &other);
    assert_eq!(fixture.send(&two).status, 401);
}

async fn the_rest_of_a_query_stays_byte_for_byte(raw: bool) {
    let fixture = Fixture::open(raw, EnvoySetup::default()).await;
    let (_, value) = fixture.operator.plain_key("acme", "live").await;
    for (query, rest) in [
        (format!("z=1&key={value}&a=%2f&a=b&flag&x="), "?z=1&a=%2f&a=b&flag&x="),
        (format!("key={value}"), ""),
        (format!("KEY={value}&b=+%20&&c"), "?b=+%20&&c"),
    ] {
        let echo = Echo::of(&fixture.send(&get(&format!("/v1/x?{query}"))));
        assert_eq!(echo.path(), format!("/v1/x{rest}"), "{query}");
    }
}

async fn only_one_spelling_of_a_header_reaches_the_service(raw: bool) {
    let fixture = Fixture::open(raw, EnvoySetup::default()).await;
    let value = fixture.bound().await;
    let ask = |name: &str, till: &str| get("/v1/x").header("x-api-key", &value).header(name, till);
    assert_eq!(Echo::of(&fixture.send(&ask("x-till-id", "t_1"))).all("x-till-id"), ["t_1"]);
    let echo = Echo::of(&fixture.send(&ask("x_till_id", "t_1")));
    assert!(echo.all("x_till_id").is_empty() && echo.all("x-till-id").is_empty(), "{}", echo.text());
    for name in ["x_till_id", "x-till_id", "X_TILL_ID"] {
        assert_eq!(fixture.send(&ask(name, "t_2")).status, 403, "{name}");
        assert_eq!(fixture.send(&ask("x-till-id", "t_1").header(name, "t_2")).status, 403, "{name}");
        assert_eq!(fixture.send(&ask("x-till-id", "t_1").header(name, "t_1")).status, 403, "{name}");
    }
    let other = get("/v1/x").header("x_api_key", &value).header("x-api-key", "ek_live_other");
    assert_eq!(fixture.send(&other).status, 401);
}

async fn a_body_that_cannot_be_read_whole_is_denied_to_a_bound_key(raw: bool) {
    let partial = EnvoySetup { body: Some(8_192), ..EnvoySetup::default() };
    let whole = EnvoySetup { body: Some(8_192), whole_body: true, ..EnvoySetup::default() };
    for (setup, too_large) in [(partial, 403), (whole, 413), (EnvoySetup::default(), 403)] {
        let sends = setup.body.is_some();
        let fixture = Fixture::open(raw, setup).await;
        let value = fixture.bound().await;
        let post = |body: &str| {
            let request = Request::new("POST", "api.edge.dev", "/v1/x").header("x-api-key", &value);
            fixture.send(&request.json(body)).status
        };
        assert_eq!(post(r#"{"merchant":"m_1"}"#), if sends { 200 } else { 403 });
        assert_eq!(post(""), 200, "no body");
        let spaces = format!("{}{{\"merchant\":\"m_2\"}}", " ".repeat(9_000));
        assert_eq!(post(&spaces), too_large);
        for body in
            [r#"{"merchant":"m_2"}"#, r#"{"merchant":2}"#, "\u{feff}{}", r#"{"merchant":"m_2","x":"\ud800"}"#]
        {
            assert_eq!(post(body), 403, "{body}");
        }
    }
}

/// Sends a body of unknown length over HTTP/2, and returns the status.
fn upload(envoy: &Envoy, path: &str, value: &str) -> String {
    let mut command = Command::new(tool("curl"));
    command.args(["--http2-prior-knowledge", "--silent", "--output", "/dev/null", "--max-time", "60"]);
    command.args(["--write-out", "%{http_code}", "--request", "POST", "--upload-file", "-"]);
    command.args(["--header", &format!("x-api-key: {value}"), "--header", "host: api.edge.dev"]);
    command.arg(format!("http://127.0.0.1:{}{path}", envoy.port()));
    let mut sent = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl");
    sent.stdin.take().expect("a pipe").write_all(br#"{"merchant":"m_2"}"#).expect("a body");
    String::from_utf8(sent.wait_with_output().expect("an end").stdout).expect("a status")
}

async fn a_body_of_unknown_length_is_denied_to_a_bound_key(raw: bool) {
    let whole = EnvoySetup { body: Some(8_192), whole_body: true, ..EnvoySetup::default() };
    let unread = EnvoySetup::default().route("/v1/uploads", &[("resource.merchant", "-")]);
    for (setup, path) in [(whole, "/v1/x"), (unread, "/v1/uploads")] {
        let fixture = Fixture::open(raw, setup).await;
        assert_eq!(upload(&fixture.envoy, path, &fixture.bound().await), "403", "{path}");
    }
}

async fn a_host_that_two_proxies_read_differently_is_denied(raw: bool) {
    let fixture = Fixture::open(raw, EnvoySetup::default()).await;
    let (_, test) = fixture.operator.plain_key("acme", "test").await;
    let ask = |host: &str, path: &str| fixture.send(&Request::get(host, path).header("x-api-key", &test));
    for host in ["a.sandbox.edge.dev", "a.sandbox.edge.dev:443", "A.Sandbox.edge.dev"] {
        assert_eq!(ask(host, "/v1/x").status, 200, "{host}");
    }
    for host in [
        "a.sandbox.edge.dev:.edge.dev",
        "a.sandbox.edge.dev:80:80",
        "a.sandbox.edge.dev:80@api.edge.dev",
        "a.sandbox.edge.dev.",
        "a.sandbox.edge.dev..",
        "a..sandbox.edge.dev",
        "a.sandbox.edge.dev:",
        "other.dev",
    ] {
        for path in ["/v1/x", "/open"] {
            let answer = ask(host, path);
            assert!(matches!(answer.status, 400 | 403), "{host} {path}: {answer:?}");
            if answer.status == 403 {
                assert_eq!(answer.json()["reason"], "HOST_NOT_ALLOWED", "{host}");
            }
        }
    }
    assert_eq!(ask("api.edge.dev", "/open").status, 200);
}

async fn an_encoded_slash_passes_where_a_route_permits_it(raw: bool) {
    let fixture = Fixture::open(raw, EnvoySetup::default()).await;
    let (_, value) = fixture.operator.plain_key("acme", "live").await;
    let ask = |path: &str| fixture.send(&get(path).header("x-api-key", &value));
    assert_eq!(Echo::of(&ask("/things/group%2Fproject")).path(), "/things/group%2Fproject");
    for path in ["/things/..%2Fv1", "/things/a%2F..%2Fb", "/v1/a%2Fb", "/things/a%252Fb", "/things%2Fa"] {
        assert_eq!(ask(path).status, 403, "{path}");
    }
}

async fn a_denied_call_of_grpc_has_a_status_of_its_own(raw: bool) {
    let fixture = Fixture::open(raw, EnvoySetup::default()).await;
    let limits = HashMap::from([("default".to_owned(), "1/h".to_owned())]);
    let (_, value) =
        fixture.operator.key(CreateKeyRequest { rate_limits: limits, ..key("acme", "live") }).await;
    let call = |path: &str, key: &str| {
        let request = Request::new("POST", "api.edge.dev", path).header("content-type", "application/grpc");
        fixture.send(&request.header("content-length", "0").header("x-api-key", key))
    };
    let status = |answer: &Answer| answer.header("grpc-status").map(str::to_owned);
    assert_eq!(call("/v1/x", &value).status, 200);
    for (answer, expected) in [
        (call("/v1/x", &value), "8"),
        (call("/v1/x", "ek_live_unknown"), "16"),
        (call("/v1/x", ""), "16"),
        (call("/v1/a%2Fb", &value), "7"),
    ] {
        assert_eq!((answer.status, status(&answer).as_deref()), (200, Some(expected)), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        assert!(answer.header("grpc-message").is_some() && answer.body.is_empty(), "{answer:?}");
    }
}

async fn an_empty_context_extension_denies(raw: bool) {
    for (name, value) in [("scopes", ""), ("scopes", " ,"), ("environment", ""), ("resource.till", "")] {
        let setup = EnvoySetup::default().route("/open", &[(name, value)]);
        let fixture = Fixture::open(raw, setup).await;
        let (_, value) = fixture.operator.plain_key("acme", "live").await;
        let answer = fixture.send(&get("/open").header("x-api-key", &value));
        assert_eq!(answer.status, 403, "{name}: {answer:?}");
        assert!(answer.body.contains(name), "{answer:?}");
    }
}
