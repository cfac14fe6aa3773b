//! Tests of `CheckService`: single checks, batches and invalid checks. No request without a valid credential is
//! allowed, whatever else its message contains.

use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use proptest::prelude::*;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{GOOD, Harness};

fn good() -> v1::CheckRequest {
    v1::CheckRequest {
        credential: GOOD.into(),
        method: "GET".into(),
        path: "/v1/items".into(),
        request_id: "r-1".into(),
        ..v1::CheckRequest::default()
    }
}

async fn check(harness: &Harness, request: v1::CheckRequest) -> Result<v1::CheckResponse, tonic::Status> {
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
async fn an_invalid_message_is_rejected_with_its_fields() {
    let harness = Harness::new();
    let bad = v1::CheckRequest { profile: "gone".into(), source_ip: "here".into(), ..good() };
    let status = check(&harness, bad).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["profile", "source_ip"]);
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
    use v1::Reason::{Ok, RateLimited, Unspecified};
    let harness = Harness::new();
    let bad = v1::CheckRequest { source_ip: "here".into(), request_id: "bad".into(), ..good() };
    let mut checks = vec![good(); 7];
    checks.insert(2, bad);
    let mut client = CheckServiceClient::new(harness.routes.clone());
    let results = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap().into_inner().results;
    let reasons: Vec<v1::Reason> = results.iter().map(v1::CheckResponse::reason).collect();
    assert_eq!(reasons, [Ok, Ok, Unspecified, Ok, Ok, Ok, RateLimited, RateLimited]);
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
        (cost, dry_run, explain) in (prop::option::of(any::<u32>()), any::<bool>(), any::<bool>()),
    ) {
        prop_assume!(!path.contains("health"));
        let request_id = method.clone();
        let request = v1::CheckRequest {
            credential, profile, tenant, environment, method, path, scopes, resource, rate_class, cost,
            source_ip, request_id, dry_run, explain,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        match runtime.block_on(check(&Harness::new(), request)) {
            Ok(response) => prop_assert_eq!(response.decision(), v1::Decision::Deny),
            Err(status) => prop_assert_eq!(status.code(), Code::InvalidArgument),
        }
    }
}
