//! Callers of Check: a client with a key, or with a certificate.

use latchkey_proto::envoy::auth::CheckRequest as EnvoysRequest;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::{BatchCheckRequest, CheckRequest};
use latchkey_testing::{Caller, ROOT_KEY, Setup};
use tonic::Code;

use crate::fixture::Fixture;

const KEY: &str = "a-key-of-the-proxies-0123456789abcdef";

/// Returns the status codes of the three Checks of a caller.
async fn codes(caller: &Caller) -> [Code; 3] {
    let code = |status: tonic::Status| status.code();
    [
        caller.checks().check(CheckRequest::default()).await.map_or_else(code, |_| Code::Ok),
        caller.checks().batch_check(BatchCheckRequest::default()).await.map_or_else(code, |_| Code::Ok),
        caller.envoy().check(EnvoysRequest::default()).await.map_or_else(code, |_| Code::Ok),
    ]
}

#[tokio::test]
async fn check_asks_its_callers_for_a_key_where_the_settings_say_so() {
    let both = format!("another-{KEY},{KEY}");
    let setup = Setup::default().shipped("demo").environment("LATCHKEY_CHECK_AUTH", "key");
    let latchkey = setup.environment("LATCHKEY_CHECK_KEYS", &both).start();
    assert_eq!(codes(&latchkey.anonymous()).await, [Code::Unauthenticated; 3]);
    assert_eq!(codes(&latchkey.caller(ROOT_KEY)).await, [Code::Unauthenticated; 3], "a key of management");
    assert_eq!(codes(&latchkey.caller(KEY)).await, [Code::Ok; 3]);
    assert_eq!(codes(&latchkey.caller(&format!("another-{KEY}"))).await, [Code::Ok; 3]);
    let tenants =
        latchkey.operator().tenants().list_tenants(latchkey_proto::v1::ListTenantsRequest::default()).await;
    assert!(tenants.is_ok(), "management asks for its own credentials alone: {tenants:?}");
    assert!(!latchkey.log().contains(KEY));
}

#[tokio::test]
async fn check_asks_its_callers_for_a_certificate_where_the_settings_say_so() {
    let fixture = Fixture::start(true, |setup, _| setup.environment("LATCHKEY_CHECK_AUTH", "certificate"));
    let port = fixture.latchkey.grpc();
    let ask = |pair: Option<&latchkey_testing::Pair>| {
        let mut client = CheckServiceClient::new(Fixture::channel(port, &fixture.ca, pair));
        async move { client.check(CheckRequest::default()).await.is_ok() }
    };
    let pair = fixture.clients.issue(&["envoy"]);
    assert!(ask(Some(&pair)).await && !ask(None).await);
}

#[test]
fn settings_that_ask_for_nothing_are_refused() {
    for (auth, named) in
        [("key", "check_keys"), ("certificate", "tls_client_ca"), ("anything", "certificate")]
    {
        let latchkey = Setup::default().environment("LATCHKEY_CHECK_AUTH", auth).launch();
        assert!(!latchkey.wait().success());
        assert!(latchkey.log().contains(named), "{auth}: {}", latchkey.log());
    }
}
