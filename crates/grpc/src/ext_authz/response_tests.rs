//! Responses that are decoded with `envoy-types`, as Envoy reads them. No denial is read as a permit, whatever the
//! profile says.

use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse};
use envoy_types::pb::google::protobuf::{BoolValue, value};
use latchkey_core::decision::DecisionContext;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn read(message: &[u8]) -> CheckResponse {
    let response = CheckResponse::decode(message).unwrap();
    assert_eq!(response.encoded_len(), message.len(), "every byte belongs to a known field");
    response
}

fn denial(reason: Reason, response: &DenyResponse<'_>) -> CheckResponse {
    let denial = Denial::new(reason);
    let event = CheckEvent {
        entrypoint: Entrypoint::ExtAuthz,
        outcome: CheckOutcome::Denied(&denial),
        context: &DecisionContext::default(),
        request_id: "req_1",
        method: "",
        metadata: &NoMetadata,
    };
    read(denied(&denial, response, &MetadataInput { event, environment: Some("live") }, false).message())
}

fn http(response: &CheckResponse) -> &DeniedHttpResponse {
    match response.http_response.as_ref().unwrap() {
        HttpResponse::DeniedResponse(http) => http,
        HttpResponse::OkResponse(_) | HttpResponse::ErrorResponse(_) => panic!("not a denial"),
    }
}

fn response(status: u16) -> DenyResponse<'static> {
    let headers = vec![("content-type", "application/problem+json".to_owned()), ("x-empty", String::new())];
    DenyResponse { status, headers, body: "{}".to_owned(), message: "No.".into() }
}

#[expect(deprecated, reason = "versions of Envoy without append_action read it")]
fn overwrites(option: &HeaderValueOption) -> bool {
    option.append == Some(BoolValue { value: false }) && option.append_action == 2
}

#[test]
fn no_denial_has_the_code_that_allows() {
    for reason in Reason::ALL {
        let expected = match reason {
            Reason::RateLimited => 8,
            reason if reason.unauthenticated() => 16,
            _ => 7,
        };
        assert_eq!(denial(*reason, &response(401)).status.unwrap().code, expected, "{reason}");
    }
    assert_eq!(read(malformed().message()).status.unwrap().code, 7);
}

#[test]
fn a_denial_carries_status_headers_and_body() {
    let response = denial(Reason::Revoked, &response(401));
    let http = http(&response);
    assert_eq!(http.status.as_ref().unwrap().code, 401);
    assert_eq!(http.body, "{}");
    assert!(http.headers.iter().all(overwrites));
    let pairs: Vec<_> =
        http.headers.iter().map(|h| (h.header.clone().unwrap(), h.keep_empty_value)).collect();
    assert_eq!(
        (pairs[0].0.key.as_str(), pairs[0].0.value.as_str(), pairs[0].1),
        ("content-type", "application/problem+json", false)
    );
    assert_eq!((pairs[1].0.key.as_str(), pairs[1].0.value.as_str(), pairs[1].1), ("x-empty", "", true));
}

#[test]
fn a_status_that_envoy_would_reject_becomes_403() {
    for (status, sent) in
        [(401, 401), (429, 429), (511, 511), (418, 403), (200, 403), (302, 302), (0, 403), (999, 403)]
    {
        let response = denial(Reason::Revoked, &response(status));
        assert_eq!(http(&response).status.as_ref().unwrap().code, sent);
    }
}

#[test]
fn metadata_says_why() {
    let response = denial(Reason::Revoked, &response(401));
    let fields = response.dynamic_metadata.unwrap().fields;
    let text = |name: &str| match fields[name].kind.as_ref().unwrap() {
        value::Kind::StringValue(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((text("decision").as_str(), text("reason").as_str()), ("DENY", "REVOKED"));
    assert_eq!((text("request_id").as_str(), text("environment").as_str()), ("req_1", "live"));
    assert_eq!(fields.len(), 4);
}

#[test]
fn every_error_status_that_envoy_knows_is_kept() {
    for status in 400..600u16 {
        let known = StatusCode::try_from(i32::from(status)).is_ok();
        assert_eq!(http_status(status) == u64::from(status), known || status == 403, "{status}");
    }
}

proptest! {
    #[test]
    fn a_body_of_any_length_is_complete(body in "\\PC{0,3000}", value in "[ -~]{0,300}") {
        let headers = vec![("x-a", value.clone())];
        let response = denial(Reason::Expired, &DenyResponse { status: 401, headers, body: body.clone(), message: "No.".into() });
        let http = http(&response);
        prop_assert_eq!(&http.body, &body);
        prop_assert_eq!(&http.headers[0].header.as_ref().unwrap().value, &value);
    }
}
