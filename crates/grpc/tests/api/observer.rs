//! Tests that the observer gets one event for each response, on the fast path and through tonic.

use latchkey_proto::envoy::auth::attribute_context::{HttpRequest, Request as HttpPart};
use latchkey_proto::envoy::auth::authorization_client::AuthorizationClient;
use latchkey_proto::envoy::auth::{AttributeContext, CheckRequest};
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::key_service_client::KeyServiceClient;

use crate::harness::{GOOD, Harness, with_api_key};

fn check_request(headers: &[(&str, &str)]) -> CheckRequest {
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let http = HttpRequest { path: "/v1/items".into(), headers, ..HttpRequest::default() };
    let request = Some(HttpPart { http: Some(http), time: None });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

#[tokio::test]
async fn every_response_to_envoy_has_one_event() {
    let harness = Harness::new();
    let mut client = AuthorizationClient::new(harness.routes.clone());
    let good = check_request(&[("x-api-key", GOOD), ("traceparent", "t-1"), ("x-request-id", "e-1")]);
    let _ = client.check(good.clone()).await.unwrap();
    let mut traced = tonic::Request::new(good.clone());
    let _ = traced.metadata_mut().insert("traceparent", "t-2".parse().unwrap());
    let _ = client.check(traced).await.unwrap();
    let _ = client.check(check_request(&[])).await.unwrap();
    let _ = client.check(CheckRequest::default()).await.unwrap();
    let _ = client.check(check_request(&[("x-long", &"x".repeat(270_000))])).await.unwrap();
    assert_eq!(
        harness.recorded.take(),
        [
            "ext_authz OK database t-1e-1",
            "ext_authz OK database t-2e-1",
            "ext_authz MISSING_CREDENTIAL cache ",
            "ext_authz MISSING_CREDENTIAL cache ",
            "ext_authz MALFORMED_REQUEST cache ",
        ]
    );
    // The same through tonic.
    let mut client = AuthorizationClient::new(harness.routes.tonic_routes());
    let _ = client.check(good.clone()).await.unwrap();
    let _ = client.check(check_request(&[("x-long", &"x".repeat(270_000))])).await.unwrap();
    assert_eq!(
        harness.recorded.take(),
        ["ext_authz OK database t-1e-1", "ext_authz MALFORMED_REQUEST cache "]
    );
    harness.fail_store();
    let mut client = AuthorizationClient::new(harness.routes.clone());
    let _ = client.check(good).await.unwrap_err();
    assert_eq!(harness.recorded.take(), ["ext_authz UNAVAILABLE database t-1e-1"]);
}

#[tokio::test]
async fn every_native_response_has_one_event() {
    let harness = Harness::new();
    let check = |credential: &str, source_ip: &str| v1::CheckRequest {
        credential: credential.into(),
        path: "/v1/items".into(),
        source_ip: source_ip.into(),
        ..v1::CheckRequest::default()
    };
    let mut client = CheckServiceClient::new(harness.routes.clone());
    let _ = client.check(check(GOOD, "")).await.unwrap();
    let _ = client.check(check(GOOD, "here")).await.unwrap();
    let checks = vec![check(GOOD, ""), check("", ""), check("", "here")];
    let _ = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap();
    harness.fail_store();
    let _ = client.check(check(GOOD, "")).await.unwrap_err();
    assert_eq!(
        harness.recorded.take(),
        [
            "native OK database ",
            "native MALFORMED_REQUEST cache ",
            "native OK database ",
            "native MISSING_CREDENTIAL cache ",
            "native MALFORMED_REQUEST cache ",
            "native UNAVAILABLE database ",
        ]
    );
}

#[tokio::test]
async fn the_end_of_every_other_call_has_an_event_with_its_code() {
    let harness = Harness::new();
    let mut client = KeyServiceClient::new(harness.routes.clone());
    let get = |id: &str| v1::GetKeyRequest { id: id.to_owned() };
    let _ = client.get_key(with_api_key(get(&harness.good.to_string()), GOOD)).await.unwrap();
    let _ = client.get_key(get("key_x")).await.unwrap_err();
    assert_eq!(
        harness.recorded.take(),
        ["/latchkey.v1.KeyService/GetKey 0", "/latchkey.v1.KeyService/GetKey 16",]
    );
}
