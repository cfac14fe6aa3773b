//! Secrecy of credentials: even at its most detailed level, the log contains neither a credential nor a query string.
//! The test has a program of its own, because tracing caches its subscribers for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "api/fake_audit_log.rs"]
mod fake_audit_log;
#[path = "api/fake_bulk.rs"]
mod fake_bulk;
#[path = "api/fake_deletions.rs"]
mod fake_deletions;
#[path = "api/fake_store.rs"]
mod fake_store;
#[path = "api/fake_tokens.rs"]
mod fake_tokens;
#[path = "api/fake_usage_store.rs"]
mod fake_usage_store;
#[expect(dead_code, reason = "shared with the other tests; this one uses a part of it")]
#[path = "api/harness.rs"]
mod harness;
#[expect(dead_code, reason = "the recorded events are not read here")]
#[path = "api/recording_observer.rs"]
mod recording_observer;

use std::io::{Result, Write};
use std::sync::{Arc, Mutex};

use latchkey_proto::envoy::auth::attribute_context::{HttpRequest, Request};
use latchkey_proto::envoy::auth::authorization_client::AuthorizationClient;
use latchkey_proto::envoy::auth::{AttributeContext, CheckRequest};
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use tracing::Level;
use tracing::subscriber::set_default;

use crate::harness::{GOOD, Harness, with_api_key};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn check_request() -> CheckRequest {
    let sent = [("x-api-key", GOOD), ("x-request-id", "r-5")];
    let http = HttpRequest {
        method: "GET".into(),
        path: "/v1/items?token=hunter2".into(),
        headers: sent.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..HttpRequest::default()
    };
    let request = Some(Request { http: Some(http), time: None });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

#[tokio::test]
async fn a_log_contains_decisions_and_never_credentials() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let subscriber_guard = set_default(subscriber);
    let harness = Harness::new();
    AuthorizationClient::new(harness.routes.clone()).check(check_request()).await.unwrap();
    let check =
        v1::CheckRequest { credential: GOOD.into(), scopes_only: true, ..v1::CheckRequest::default() };
    CheckServiceClient::new(harness.routes.clone()).check(check).await.unwrap();
    let mut keys = KeyServiceClient::new(harness.routes.clone());
    let create = v1::CreateKeyRequest { name: "till".into(), ..Default::default() };
    let created = keys.create_key(with_api_key(create, GOOD)).await.unwrap().into_inner();
    drop(subscriber_guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in ["latchkey::decision", "ALLOW", "acme", "/v1/items", "r-5", &harness.good.to_string()] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    for secret in [GOOD, "hunter2", &created.secret] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
