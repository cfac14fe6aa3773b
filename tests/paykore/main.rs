//! Tests of every example of PayKore's documentation as a client: the profile that ships, through a real
//! Envoy, with each of the two ways in which Envoy sends headers.

mod examples;
mod limits;
mod secrecy;

use latchkey_testing::{Answer, Caller, Envoy, EnvoySetup, Latchkey, Request, Setup};
use serde_json::{Value, json};

const LIVE: &str = "api.paykore.dev";
const SANDBOX: &str = "sandbox.paykore.dev";
const INVALID: &str = "The API key provided is invalid or has been revoked.";

/// PayKore with one partner, `acme`.
struct PayKore {
    latchkey: Latchkey,
    envoy: Envoy,
    operator: Caller,
}

impl PayKore {
    async fn open(raw_headers: bool, plan: &str) -> Self {
        let latchkey = Setup::default().shipped("paykore").start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", "paykore", plan).await;
        let setup = EnvoySetup { raw_headers, ..EnvoySetup::default() };
        let envoy = Envoy::start(latchkey.grpc(), &setup);
        Self { latchkey, envoy, operator }
    }

    /// Creates a key and returns its value.
    async fn value(&self, environment: &str) -> String {
        self.operator.plain_key("acme", environment).await.1
    }

    /// Sends `GET /v1/wallets` with the key in the header that PayKore recommends.
    fn wallets(&self, host: &str, key: &str) -> Answer {
        self.envoy.send(&wallets(host).header("X-API-Key", key))
    }

    /// Asserts that the body is exactly this error, except for the request's identifier, which must be in the
    /// log too.
    fn assert_error(&self, answer: &Answer, code: &str, message: &str) {
        let status = if code == "RATE_LIMIT_EXCEEDED" { 429 } else { 401 };
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let mut body = answer.json();
        let id = body["meta"]["request_id"].take();
        let id = id.as_str().unwrap_or_else(|| panic!("no request_id in {answer:?}"));
        let random = id.strip_prefix("req_").unwrap_or_else(|| panic!("{id} doesn't begin with req_"));
        assert!(random.len() == 10 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        let mut meta = json!({ "request_id": null });
        if status == 429 {
            meta["retry_after"] = body["meta"]["retry_after"].clone();
        }
        let error = json!({ "code": code, "message": message, "http_status": status });
        assert_eq!(body, json!({ "error": error, "meta": meta }));
        latchkey_testing::eventually("the log tells of the request", || {
            self.latchkey.log().contains(id).then_some(())
        });
    }

    fn assert_invalid(&self, answer: &Answer) {
        self.assert_error(answer, "INVALID_API_KEY", INVALID);
    }
}

fn wallets(host: &str) -> Request {
    Request::get(host, "/v1/wallets")
}

/// Returns the three headers: limit, remaining, reset.
fn rate(answer: &Answer) -> [u64; 3] {
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| {
        let value = answer.header(name).unwrap_or_else(|| panic!("no {name} in {answer:?}"));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    })
}

/// Returns `retry_after` of a 429.
fn retry_after(answer: &Answer) -> u64 {
    let body: Value = answer.json();
    body["meta"]["retry_after"].as_u64().unwrap_or_else(|| panic!("no number to wait for in {answer:?}"))
}
