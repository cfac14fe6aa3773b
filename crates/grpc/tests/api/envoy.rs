//! Tests of Envoy's Check, with responses read as Envoy reads them: permits with their headers, denials and errors.

use std::time::Duration;

use latchkey_proto::envoy::auth::attribute_context::{HttpRequest, Request as HttpPart};
use latchkey_proto::envoy::auth::authorization_client::AuthorizationClient;
use latchkey_proto::envoy::auth::check_response::HttpResponse;
use latchkey_proto::envoy::auth::{AttributeContext, CheckRequest, CheckResponse};
use latchkey_proto::envoy::core::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use prost::Message as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{GOOD, Harness};

pub(crate) fn check_request(path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".into(),
        path: path.into(),
        host: "api.shop.test".into(),
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..HttpRequest::default()
    };
    let request = Some(HttpPart { http: Some(http), time: None });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

async fn check(harness: &Harness, request: CheckRequest) -> Result<CheckResponse, tonic::Status> {
    let mut client = AuthorizationClient::new(harness.routes.clone());
    client.check(request).await.map(tonic::Response::into_inner)
}

fn code(response: &CheckResponse) -> i32 {
    response.status.as_ref().expect("a response always has a status").code
}

#[tokio::test]
async fn a_valid_key_is_allowed_with_its_identity_in_headers() {
    let harness = Harness::new();
    let sent = [("x-api-key", GOOD), ("x-tenant-id", "mallory"), ("x-request-id", "r-1")];
    let response = check(&harness, check_request("/v1/items?x=1", &sent)).await.unwrap();
    assert_eq!(code(&response), 0);
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("no ok_response") };
    let tenant = ok.headers.iter().find(|h| h.header.as_ref().unwrap().key == "x-tenant-id").unwrap();
    assert_eq!(tenant.header.as_ref().unwrap().value, "acme");
    assert!(ok.headers.iter().all(|h| h.append_action == 2));
    assert!(ok.headers_to_remove.contains(&"x-api-key".to_owned()));
    let limit = &ok.response_headers_to_add[0].header.as_ref().unwrap();
    assert_eq!((limit.key.as_str(), limit.value.as_str()), ("x-ratelimit-remaining", "4"));
    let fields = response.dynamic_metadata.unwrap().fields;
    for name in ["decision", "reason", "tenant_id", "subject_id", "environment", "profile", "rate_limit"] {
        assert!(fields.contains_key(name), "{name}");
    }
    assert!(!format!("{fields:?}").contains(GOOD));
}

#[tokio::test]
async fn each_denial_has_its_code_and_status() {
    let harness = Harness::new();
    let unknown = "sk_live_000000000000000000000000000000ff";
    for (path, headers, grpc, http) in [
        ("/v1/items", vec![], 16, 401),
        ("/v1/items", vec![("x-api-key", unknown)], 16, 401),
        ("/v1/items", vec![("x-api-key", "nonsense")], 16, 401),
        ("/v1/items", vec![("x-api-key", GOOD), ("authorization", "Bearer sk_live_x")], 16, 401),
        ("/v1/nowhere", vec![("x-api-key", GOOD)], 7, 403),
        ("/v1/%2fitems", vec![("x-api-key", GOOD)], 7, 403),
        ("", vec![("x-api-key", GOOD)], 7, 403),
    ] {
        let response = check(&harness, check_request(path, &headers)).await.unwrap();
        let Some(HttpResponse::DeniedResponse(denied)) = &response.http_response else { panic!("{path}") };
        assert_eq!(
            (code(&response), denied.status.as_ref().unwrap().code),
            (grpc, http),
            "{path} {headers:?}"
        );
    }
}

#[tokio::test]
async fn a_call_beyond_the_rate_limit_is_denied() {
    let harness = Harness::new();
    for _ in 0..5 {
        assert_eq!(
            code(&check(&harness, check_request("/v1/items", &[("x-api-key", GOOD)])).await.unwrap()),
            0
        );
    }
    let response = check(&harness, check_request("/v1/items", &[("x-api-key", GOOD)])).await.unwrap();
    assert_eq!(code(&response), 8);
}

#[tokio::test]
async fn raw_headers_are_read_and_two_credentials_are_ambiguous() {
    let harness = Harness::new();
    let raw = |values: &[&str]| {
        let mut request = check_request("/v1/items", &[]);
        let header = |v: &&str| HeaderValue {
            key: "x-api-key".into(),
            raw_value: v.as_bytes().to_vec(),
            ..HeaderValue::default()
        };
        let map = HeaderMap { headers: values.iter().map(header).collect() };
        let http = request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.header_map = Some(map);
        request
    };
    assert_eq!(code(&check(&harness, raw(&[GOOD])).await.unwrap()), 0);
    assert_eq!(code(&check(&harness, raw(&[GOOD, GOOD])).await.unwrap()), 0, "equal values are one");
    assert_eq!(code(&check(&harness, raw(&[GOOD, "sk_live_x"])).await.unwrap()), 16);
}

#[tokio::test]
async fn a_message_without_a_request_is_denied() {
    let harness = Harness::new();
    let no_http = AttributeContext { request: Some(HttpPart::default()), ..AttributeContext::default() };
    for attributes in [None, Some(AttributeContext::default()), Some(no_http)] {
        let response = check(&harness, CheckRequest { attributes }).await.unwrap();
        assert_eq!(code(&response), 16);
    }
}

#[tokio::test]
async fn a_public_route_is_allowed_without_a_credential_and_without_an_identity() {
    let harness = Harness::new();
    let response = check(&harness, check_request("/health", &[("x-tenant-id", "mallory")])).await.unwrap();
    assert_eq!(code(&response), 0);
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("no ok_response") };
    assert!(ok.headers_to_remove.contains(&"x-tenant-id".to_owned()));
}

/// Returns the text fields of a response's dynamic metadata.
fn metadata_of(response: &CheckResponse) -> std::collections::BTreeMap<String, String> {
    let fields = &response.dynamic_metadata.as_ref().unwrap().fields;
    let text = |value: &prost_types::Value| match &value.kind {
        Some(prost_types::value::Kind::StringValue(text)) => Some(text.clone()),
        _ => None,
    };
    fields.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

#[tokio::test]
async fn a_route_in_shadow_mode_allows_and_reports_the_denial() {
    let harness = Harness::new();
    let sent = [("x-api-key", GOOD), ("x-tenant-id", "mallory")];
    let response = check(&harness, check_request("/v1/tried", &sent)).await.unwrap();
    let fields = metadata_of(&response);
    let of = |name: &str| fields.get(name).map(String::as_str);
    assert_eq!((code(&response), of("decision"), of("reason")), (0, Some("ALLOW"), Some("OK")));
    assert_eq!((of("shadow_decision"), of("shadow_reason")), (Some("DENY"), Some("INSUFFICIENT_SCOPE")));
    assert!(of("tenant_id").is_some() && of("shadow_tenant_id").is_none(), "the key is valid");
    let response = check(&harness, check_request("/v1/items", &sent)).await.unwrap();
    assert!(metadata_of(&response).keys().all(|name| !name.starts_with("shadow")));
}

#[tokio::test]
async fn an_invalid_key_that_shadow_mode_allows_has_no_principal() {
    let harness = Harness::new();
    harness.store.keys.lock().unwrap()[0].lifecycle = latchkey_core::record::KeyLifecycle::Disabled;
    let sent = [("x-api-key", GOOD), ("x-tenant-id", "mallory")];
    let response = check(&harness, check_request("/v1/tried", &sent)).await.unwrap();
    let fields = metadata_of(&response);
    let of = |name: &str| fields.get(name).map(String::as_str);
    assert_eq!((code(&response), of("shadow_reason")), (0, Some("DISABLED")));
    assert_eq!((of("tenant_id"), of("subject_id")), (None, None));
    assert_eq!(of("shadow_subject_id"), Some(harness.good.to_string().as_str()));
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("no ok_response") };
    assert!(ok.headers_to_remove.contains(&"x-tenant-id".to_owned()));
    assert!(ok.headers.iter().all(|h| h.header.as_ref().unwrap().key != "x-tenant-id"));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_denied_and_not_an_error() {
    let harness = Harness::new();
    let long = "x".repeat(270_000);
    let response = check(&harness, check_request("/health", &[("cookie", &long)])).await.unwrap();
    assert_eq!(code(&response), 7);
    let fits = "x".repeat(60_000);
    assert_eq!(code(&check(&harness, check_request("/health", &[("cookie", &fits)])).await.unwrap()), 0);
}

#[tokio::test]
async fn a_database_that_is_down_is_an_error_and_not_a_denial() {
    let harness = Harness::new();
    harness.fail_store();
    let status = check(&harness, check_request("/v1/items", &[("x-api-key", GOOD)])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_database_that_hangs_is_unavailable_at_the_deadline() {
    let harness = Harness::new();
    harness.hang_store();
    let start = tokio::time::Instant::now();
    let status = check(&harness, check_request("/v1/items", &[("x-api-key", GOOD)])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(start.elapsed() <= Duration::from_millis(151));
}

#[tokio::test]
async fn an_unknown_profile_in_the_route_denies_everyone() {
    let harness = Harness::new();
    let mut request = check_request("/health", &[("x-api-key", GOOD)]);
    let context = [("profile".to_owned(), "gone".to_owned())].into();
    request.attributes.as_mut().unwrap().context_extensions = context;
    let response = check(&harness, request).await.unwrap();
    assert_eq!(code(&response), 7);
    let text = format!("{response:?}");
    assert!(
        text.contains("The proxy's route names the profile") && text.contains("ROUTE_NOT_ALLOWED"),
        "{text}"
    );
}

/// Sends bytes as the message of a Check and returns the response.
async fn send(harness: &Harness, message: Vec<u8>) -> CheckResponse {
    use http_body_util::{BodyExt as _, Full};
    use tower_service::Service as _;
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let request = http::Request::post("/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(bytes::Bytes::from(frame)))
        .unwrap();
    let response = harness.routes.clone().call(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    CheckResponse::decode(&body[5..]).unwrap()
}

fn without_credential() -> impl Strategy<Value = CheckRequest> {
    let headers = prop::collection::vec(("[a-zA-Z-]{1,12}", "\\PC{0,30}"), 0..8);
    let path = prop_oneof![Just("/v1/items".to_owned()), "/[a-z/.%;?]{0,20}", "\\PC{0,20}"];
    let context =
        prop::collection::hash_map("scopes|environment|rate_class|resource.x|profile", "[a-z,]{0,8}", 0..3);
    (path, headers, context).prop_map(|(path, headers, context)| {
        let pairs: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let mut request = check_request(&path, &pairs);
        request.attributes.as_mut().unwrap().context_extensions = context;
        request
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_request_is_allowed_without_a_credential(request in without_credential()) {
        let path = request.attributes.as_ref().unwrap().request.as_ref().unwrap().http.as_ref().unwrap().path.clone();
        prop_assume!(!path.contains("health"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let response = runtime.block_on(send(&Harness::new(), request.encode_to_vec()));
        prop_assert_ne!(response.status.unwrap().code, 0);
    }

    #[test]
    fn no_bytes_are_allowed_as_a_message(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..120) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let harness = Harness::new();
        let response = runtime.block_on(send(&harness, bytes.clone()));
        prop_assert_ne!(response.status.unwrap().code, 0);
        let mut damaged = check_request("/v1/items", &[("x-api-key", "sk_live_00000000000000000000000000000009")]).encode_to_vec();
        let index = cut.min(damaged.len());
        damaged.splice(index..index, bytes.into_iter().take(6));
        let response = runtime.block_on(send(&harness, damaged));
        prop_assert_ne!(response.status.unwrap().code, 0);
    }
}
