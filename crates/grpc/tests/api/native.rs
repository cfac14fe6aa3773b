//! Tests of `CheckService`: single checks, batches and invalid checks. No request without a valid credential is
//! allowed, whatever else its message contains.

use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use proptest::prelude::*;
use prost::Message as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{GOOD, Harness};
use crate::raw_bytes::{EncodedBatch, RawBytes};

pub(crate) fn good() -> v1::CheckRequest {
    v1::CheckRequest {
        credential: GOOD.into(),
        method: "GET".into(),
        path: "/v1/items".into(),
        request_id: "r-1".into(),
        ..v1::CheckRequest::default()
    }
}

pub(crate) async fn check(
    harness: &Harness,
    request: v1::CheckRequest,
) -> Result<v1::CheckResponse, tonic::Status> {
    let mut client = CheckServiceClient::new(harness.routes.clone());
    client.check(request).await.map(tonic::Response::into_inner)
}

fn fields(status: &tonic::Status) -> Vec<String> {
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|v| v.field.clone()).collect()
}

#[tokio::test]
async fn a_response_has_the_principal_and_the_rate_limits() {
    let harness = Harness::new();
    let response = check(&harness, v1::CheckRequest { explain: true, ..good() }).await.unwrap();
    assert_eq!((response.decision(), response.reason()), (v1::Decision::Allow, v1::Reason::Ok));
    assert_eq!(response.request_id, "r-1");
    let principal = response.principal.unwrap();
    assert_eq!((principal.tenant_slug.as_str(), principal.subject_type.as_str()), ("acme", "key"));
    assert_eq!(principal.subject_id, harness.good.to_string());
    assert_eq!(principal.scopes, ["api_keys.manage", "items.read"]);
    assert_eq!(principal.expire_time.unwrap().seconds, 9_000);
    let limit = &response.rate_limits[0];
    assert_eq!((limit.bucket.as_str(), limit.limit, limit.remaining), ("key/default", 5, 4));
    assert!(limit.reset_time.unwrap().seconds >= 2_000);
    assert!(!response.steps.is_empty() && response.steps.iter().all(|s| s.passed));
}

/// Tests that `grpc-encoding` applies only to messages whose compression flag is set (gRPC over HTTP/2,
/// "Compression").
#[tokio::test]
async fn an_uncompressed_message_is_read_with_any_grpc_encoding() {
    let harness = Harness::new();
    let mut call = tonic::Request::new(good());
    call.metadata_mut().insert("grpc-encoding", "br".parse().unwrap());
    let response = CheckServiceClient::new(harness.routes.clone()).check(call).await.unwrap().into_inner();
    assert_eq!(response.decision(), v1::Decision::Allow);
}

#[tokio::test]
async fn a_response_in_shadow_mode_has_both_decisions_and_no_invalid_principal() {
    let harness = Harness::new();
    let tried = || v1::CheckRequest { path: "/v1/tried".into(), explain: true, ..good() };
    let response = check(&harness, tried()).await.unwrap();
    assert_eq!((response.decision(), response.reason()), (v1::Decision::Allow, v1::Reason::Ok));
    let shadow = response.shadow.unwrap();
    assert_eq!(shadow.reason(), v1::Reason::InsufficientScope);
    assert!(shadow.message.contains("items.write") && shadow.sender.is_none());
    assert_eq!(response.principal.unwrap().tenant_slug, "acme");
    assert_eq!(response.steps.last().map(|step| (step.name.as_str(), step.passed)), Some(("shadow", true)));
    assert!(check(&harness, good()).await.unwrap().shadow.is_none());
    let harness = Harness::new();
    harness.store.keys.lock().unwrap()[0].lifecycle = latchkey_core::record::KeyLifecycle::Disabled;
    let response = check(&harness, tried()).await.unwrap();
    assert_eq!((response.decision(), response.principal), (v1::Decision::Allow, None));
    assert_eq!(response.shadow.unwrap().sender.unwrap().subject_id, harness.good.to_string());
}

#[tokio::test]
async fn a_denial_has_the_status_ok() {
    let harness = Harness::new();
    let none = v1::CheckRequest { credential: String::new(), request_id: String::new(), ..good() };
    let response = check(&harness, none).await.unwrap();
    assert_eq!((response.decision(), response.reason()), (v1::Decision::Deny, v1::Reason::MissingCredential));
    assert!(response.principal.is_none() && !response.request_id.is_empty() && !response.message.is_empty());
    let lacking = v1::CheckRequest { scopes: vec!["nowhere".into()], ..good() };
    let response = check(&harness, lacking).await.unwrap();
    assert_eq!(response.reason(), v1::Reason::InsufficientScope);
    assert!(response.principal.is_some());
}

#[tokio::test]
async fn every_malformed_field_of_a_check_is_a_denial_and_no_error() {
    let harness = Harness::new();
    let long = "x".repeat(129);
    let malformed = [
        v1::CheckRequest { request_id: long.clone(), ..good() },
        v1::CheckRequest { request_id: "a\nb".into(), ..good() },
        v1::CheckRequest { method: long.clone(), ..good() },
        v1::CheckRequest { method: "G\0T".into(), ..good() },
        v1::CheckRequest { path: format!("/{}", "x".repeat(9_000)), ..good() },
        v1::CheckRequest { profile: "gone".into(), ..good() },
        v1::CheckRequest { tenant: long.clone(), ..good() },
        v1::CheckRequest { environment: "li\tve".into(), ..good() },
        v1::CheckRequest { source_ip: "here".into(), ..good() },
        v1::CheckRequest { rate_class: long.clone(), ..good() },
        v1::CheckRequest { scopes: vec![String::new()], ..good() },
        v1::CheckRequest { scopes: vec!["items.read".into(); 257], ..good() },
        v1::CheckRequest { resource: [("r".into(), "x".repeat(513))].into(), ..good() },
        v1::CheckRequest { scopes_only: true, ..good() },
    ];
    for request in malformed {
        let response = check(&harness, request.clone()).await.unwrap();
        let decision = (response.decision(), response.reason());
        assert_eq!(decision, (v1::Decision::Deny, v1::Reason::MalformedRequest), "{request:?}");
        assert!(!response.message.is_empty() && response.principal.is_none());
        assert!((1..=128).contains(&response.request_id.len()), "{response:?}");
    }
    let other = [
        (v1::CheckRequest { environment: "moon".into(), ..good() }, v1::Reason::EnvironmentMismatch),
        (v1::CheckRequest { path: "no path".into(), ..good() }, v1::Reason::RouteNotAllowed),
        (v1::CheckRequest { credential: "k\u{e9}y".into(), ..good() }, v1::Reason::InvalidCredential),
        (v1::CheckRequest { credential: "k".repeat(70_000), ..good() }, v1::Reason::InvalidCredential),
    ];
    for (request, reason) in other {
        let response = check(&harness, request).await.unwrap();
        assert_eq!((response.decision(), response.reason()), (v1::Decision::Deny, reason));
    }
    let costly = v1::CheckRequest { cost: Some(u32::MAX), ..good() };
    assert_eq!(check(&harness, costly).await.unwrap().decision(), v1::Decision::Deny);
    let query = v1::CheckRequest { path: format!("/v1/items?q={}", "x".repeat(33_000)), ..good() };
    assert_eq!(check(&harness, query).await.unwrap().decision(), v1::Decision::Allow, "a query is cut off");
}

/// Calls a method with an encoded message, and returns the encoded response.
async fn call_raw(harness: &Harness, path: &str, message: Vec<u8>) -> Result<Vec<u8>, tonic::Status> {
    let mut grpc = tonic::client::Grpc::new(harness.routes.clone());
    grpc.ready().await.unwrap();
    let path = format!("/latchkey.v1.CheckService/{path}").parse().unwrap();
    let call = tonic::Request::new(prost::bytes::Bytes::from(message));
    grpc.unary(call, path, RawBytes).await.map(|response| response.into_inner().to_vec())
}

#[tokio::test]
async fn malformed_bytes_and_a_check_that_is_too_large_are_denied() {
    let harness = Harness::new();
    // The first field is text and has a byte that is not UTF-8; a header of a client can have one.
    let not_text = [good().encode_to_vec(), vec![0x0a, 1, 0xff]].concat();
    let large = v1::CheckRequest { path: "x".repeat(5 << 20), ..good() };
    for message in [not_text.clone(), vec![0xff; 9], large.encode_to_vec()] {
        let response = call_raw(&harness, "Check", message).await.unwrap();
        let response = v1::CheckResponse::decode(&*response).unwrap();
        let decision = (response.decision(), response.reason());
        assert_eq!(decision, (v1::Decision::Deny, v1::Reason::MalformedRequest));
    }
    let batch = EncodedBatch { checks: vec![good().encode_to_vec(), not_text, good().encode_to_vec()] };
    let response = call_raw(&harness, "BatchCheck", batch.encode_to_vec()).await.unwrap();
    let results = v1::BatchCheckResponse::decode(&*response).unwrap().results;
    let reasons: Vec<_> = results.iter().map(v1::CheckResponse::reason).collect();
    assert_eq!(reasons, [v1::Reason::Ok, v1::Reason::MalformedRequest, v1::Reason::Ok]);
    let status = call_raw(&harness, "BatchCheck", vec![0xff; 9]).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["checks".to_owned()]));
}

#[tokio::test]
async fn a_public_route_that_is_asked_for_scopes_needs_a_credential_that_has_them() {
    let harness = Harness::new();
    let public = |credential: &str, scopes: &[&str]| v1::CheckRequest {
        credential: credential.into(),
        profile: "shop".into(),
        path: "/health".into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..v1::CheckRequest::default()
    };
    for (credential, scopes, reason) in [
        ("", [].as_slice(), v1::Reason::Ok),
        ("", &["items.read"], v1::Reason::MissingCredential),
        ("", &["latchkey.admin"], v1::Reason::MissingCredential),
        ("sk_live_no", &["items.read"], v1::Reason::InvalidCredential),
        (GOOD, &["items.write"], v1::Reason::InsufficientScope),
        (GOOD, &["admin"], v1::Reason::InsufficientScope),
        (GOOD, &["items.read"], v1::Reason::Ok),
    ] {
        let response = check(&harness, public(credential, scopes)).await.unwrap();
        assert_eq!(response.reason(), reason, "{credential} {scopes:?}");
    }
}

#[tokio::test]
async fn a_check_without_a_path_is_denied_unless_it_says_that_it_is_about_scopes_alone() {
    let harness = Harness::new();
    let without = v1::CheckRequest { path: String::new(), ..good() };
    let response = check(&harness, v1::CheckRequest { explain: true, ..without.clone() }).await.unwrap();
    assert_eq!((response.decision(), response.reason()), (v1::Decision::Deny, v1::Reason::RouteNotAllowed));
    let last = response.steps.last().unwrap();
    assert_eq!((last.name.as_str(), last.passed), ("route", false));
    let only = |scope: &str| v1::CheckRequest {
        scopes_only: true,
        scopes: vec![scope.to_owned()],
        ..without.clone()
    };
    assert_eq!(check(&harness, only("items.read")).await.unwrap().decision(), v1::Decision::Allow);
    let lacking = check(&harness, only("items.write")).await.unwrap();
    assert_eq!(lacking.reason(), v1::Reason::InsufficientScope);
}

#[tokio::test]
async fn zero_cost_takes_nothing() {
    let harness = Harness::new();
    for _ in 0..9 {
        let response = check(&harness, v1::CheckRequest { cost: Some(0), ..good() }).await.unwrap();
        assert_eq!(response.rate_limits[0].remaining, 5);
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_its_own_charges_count() {
    use v1::Reason::{MalformedRequest, Ok, RateLimited};
    let harness = Harness::new();
    let bad = v1::CheckRequest { source_ip: "here".into(), request_id: "bad".into(), ..good() };
    let mut checks = vec![good(); 7];
    checks.insert(2, bad);
    let mut client = CheckServiceClient::new(harness.routes.clone());
    let results = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap().into_inner().results;
    let reasons: Vec<v1::Reason> = results.iter().map(v1::CheckResponse::reason).collect();
    assert_eq!(reasons, [Ok, Ok, MalformedRequest, Ok, Ok, Ok, RateLimited, RateLimited]);
    assert_eq!((results[2].decision(), results[2].request_id.as_str()), (v1::Decision::Deny, "bad"));
    assert!(results[2].message.contains("source_ip"));
}

#[tokio::test]
async fn a_batch_has_at_most_a_thousand_checks() {
    let harness = Harness::new();
    let mut client = CheckServiceClient::new(harness.routes.clone());
    let checks = vec![v1::CheckRequest::default(); 1_001];
    let status = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["checks".to_owned()]));
    let checks = vec![v1::CheckRequest::default(); 1_000];
    let response = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap().into_inner();
    assert_eq!(response.results.len(), 1_000);
}

#[tokio::test]
async fn a_batch_has_at_most_four_mebibytes_of_results() {
    let harness = Harness::new();
    let mut client = CheckServiceClient::new(harness.routes.clone());
    // Each result names the missing scopes twice.
    let scopes: Vec<String> = (0..200).map(|n| format!("{n:0>128}")).collect();
    let checks = vec![v1::CheckRequest { scopes, explain: true, ..good() }; 120];
    let status = client.batch_check(v1::BatchCheckRequest { checks: checks.clone() }).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["checks".to_owned()]));
    let checks = checks[..60].to_vec();
    assert!(client.batch_check(v1::BatchCheckRequest { checks }).await.is_ok());
}

#[tokio::test]
async fn a_database_that_is_down_ends_the_batch() {
    let harness = Harness::new();
    harness.fail_store();
    let mut client = CheckServiceClient::new(harness.routes.clone());
    let status = client.batch_check(v1::BatchCheckRequest { checks: vec![good()] }).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z./]{0,12}", "\\PC{0,20}"]
}

proptest! {
    #[test]
    fn no_request_is_allowed_without_a_valid_credential(
        (credential, profile, tenant, environment) in ("[ -~]{0,40}", prop_oneof![Just("shop".to_owned()), text()], text(), text()),
        (method, path, rate_class, source_ip) in (text(), text(), text(), prop_oneof![Just("10.0.0.1".to_owned()), text()]),
        (scopes, resource) in (prop::collection::vec(text(), 0..4), prop::collection::hash_map(text(), text(), 0..3)),
        (cost, dry_run, explain, scopes_only) in (prop::option::of(any::<u32>()), any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        prop_assume!(!path.contains("health"));
        let request_id = method.clone();
        let request = v1::CheckRequest {
            credential, profile, tenant, environment, method, path, scopes, resource, rate_class, cost,
            source_ip, request_id, dry_run, explain, scopes_only,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let response = runtime.block_on(check(&Harness::new(), request)).unwrap();
        prop_assert_eq!(response.decision(), v1::Decision::Deny);
    }
}
