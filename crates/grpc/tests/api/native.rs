//! `CheckService`, as its callers see it: one check, many checks, and checks that can't be meant.
//! Nobody passes without a credential, whatever else a message says.

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

async fn ask(harness: &Harness, ask: v1::CheckRequest) -> Result<v1::CheckResponse, tonic::Status> {
    let mut client = CheckServiceClient::new(harness.routes.clone());
    client.check(ask).await.map(tonic::Response::into_inner)
}

fn fields(status: &tonic::Status) -> Vec<String> {
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|v| v.field.clone()).collect()
}

#[tokio::test]
async fn an_answer_says_who_asks_and_what_is_left() {
    let harness = Harness::new();
    let answer = ask(&harness, v1::CheckRequest { explain: true, ..good() }).await.unwrap();
    assert_eq!((answer.decision(), answer.reason()), (v1::Decision::Allow, v1::Reason::Ok));
    assert_eq!(answer.request_id, "r-1");
    let principal = answer.principal.unwrap();
    assert_eq!((principal.tenant_slug.as_str(), principal.subject_type.as_str()), ("acme", "key"));
    assert_eq!(principal.subject_id, harness.good.to_string());
    assert_eq!(principal.scopes, ["api_keys.manage", "items.read"]);
    assert_eq!(principal.expire_time.unwrap().seconds, 9_000);
    let limit = &answer.rate_limits[0];
    assert_eq!((limit.bucket.as_str(), limit.limit, limit.remaining), ("key/default", 5, 4));
    assert!(limit.reset_time.unwrap().seconds >= 2_000);
    assert!(!answer.steps.is_empty() && answer.steps.iter().all(|s| s.passed));
}

/// gRPC over HTTP/2, "Compression": what is said of an encoding concerns messages whose flag is set.
#[tokio::test]
async fn a_message_that_is_not_compressed_is_read_whatever_encoding_its_call_names() {
    let harness = Harness::new();
    let mut call = tonic::Request::new(good());
    call.metadata_mut().insert("grpc-encoding", "br".parse().unwrap());
    let answer = CheckServiceClient::new(harness.routes.clone()).check(call).await.unwrap().into_inner();
    assert_eq!(answer.decision(), v1::Decision::Allow);
}

#[tokio::test]
async fn an_answer_in_shadow_says_both_and_vouches_for_nobody_out_of_order() {
    let harness = Harness::new();
    let tried = || v1::CheckRequest { path: "/v1/tried".into(), explain: true, ..good() };
    let answer = ask(&harness, tried()).await.unwrap();
    assert_eq!((answer.decision(), answer.reason()), (v1::Decision::Allow, v1::Reason::Ok));
    let shadow = answer.shadow.unwrap();
    assert_eq!(shadow.reason(), v1::Reason::InsufficientScope);
    assert!(shadow.message.contains("items.write") && shadow.sender.is_none());
    assert_eq!(answer.principal.unwrap().tenant_slug, "acme");
    assert_eq!(answer.steps.last().map(|step| (step.name.as_str(), step.passed)), Some(("shadow", true)));
    assert!(ask(&harness, good()).await.unwrap().shadow.is_none());
    let harness = Harness::new();
    harness.store.keys.lock().unwrap()[0].lifecycle = latchkey_core::record::KeyLifecycle::Disabled;
    let answer = ask(&harness, tried()).await.unwrap();
    assert_eq!((answer.decision(), answer.principal), (v1::Decision::Allow, None));
    assert_eq!(answer.shadow.unwrap().sender.unwrap().subject_id, harness.good.to_string());
}

#[tokio::test]
async fn a_denial_is_an_answer() {
    let harness = Harness::new();
    let none = v1::CheckRequest { credential: String::new(), request_id: String::new(), ..good() };
    let answer = ask(&harness, none).await.unwrap();
    assert_eq!((answer.decision(), answer.reason()), (v1::Decision::Deny, v1::Reason::MissingCredential));
    assert!(answer.principal.is_none() && !answer.request_id.is_empty() && !answer.message.is_empty());
    let lacking = v1::CheckRequest { scopes: vec!["nowhere".into()], ..good() };
    let answer = ask(&harness, lacking).await.unwrap();
    assert_eq!(answer.reason(), v1::Reason::InsufficientScope);
    assert!(answer.principal.is_some());
}

#[tokio::test]
async fn a_message_that_cannot_be_meant_is_refused_by_its_fields() {
    let harness = Harness::new();
    let bad = v1::CheckRequest { profile: "gone".into(), source_ip: "here".into(), ..good() };
    let status = ask(&harness, bad).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["profile", "source_ip"]);
}

#[tokio::test]
async fn zero_cost_takes_nothing() {
    let harness = Harness::new();
    for _ in 0..9 {
        let answer = ask(&harness, v1::CheckRequest { cost: Some(0), ..good() }).await.unwrap();
        assert_eq!(answer.rate_limits[0].remaining, 5);
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_sees_its_own_spending() {
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
async fn a_batch_ends_at_a_thousand() {
    let harness = Harness::new();
    let mut client = CheckServiceClient::new(harness.routes.clone());
    let checks = vec![v1::CheckRequest::default(); 1_001];
    let status = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["checks".to_owned()]));
    let checks = vec![v1::CheckRequest::default(); 1_000];
    let answer = client.batch_check(v1::BatchCheckRequest { checks }).await.unwrap().into_inner();
    assert_eq!(answer.results.len(), 1_000);
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
    fn nobody_passes_without_a_credential(
        (credential, profile, tenant, environment) in ("[ -~]{0,40}", prop_oneof![Just("shop".to_owned()), text()], text(), text()),
        (method, path, rate_class, source_ip) in (text(), text(), text(), prop_oneof![Just("10.0.0.1".to_owned()), text()]),
        (scopes, resource) in (prop::collection::vec(text(), 0..4), prop::collection::hash_map(text(), text(), 0..3)),
        (cost, dry_run, explain) in (prop::option::of(any::<u32>()), any::<bool>(), any::<bool>()),
    ) {
        prop_assume!(!path.contains("health"));
        let request_id = method.clone();
        let ask_for = v1::CheckRequest {
            credential, profile, tenant, environment, method, path, scopes, resource, rate_class, cost,
            source_ip, request_id, dry_run, explain,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        match runtime.block_on(ask(&Harness::new(), ask_for)) {
            Ok(answer) => prop_assert_eq!(answer.decision(), v1::Decision::Deny),
            Err(status) => prop_assert_eq!(status.code(), Code::InvalidArgument),
        }
    }
}
