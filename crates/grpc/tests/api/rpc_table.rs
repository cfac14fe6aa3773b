//! Comparison of the table of RPCs with the services: each service enforces the class of callers of its row.

use std::sync::atomic::Ordering;

use http_body_util::Empty;
use latchkey_grpc::rpc_table::{CallerClass, RPC_TABLE};
use tonic::{Code, Status};
use tower_service::Service as _;

use crate::harness::{GOOD, Harness, READER, ROOT};

/// Calls an RPC with an empty message and returns its status code.
async fn call(harness: &Harness, path: &str, credential: Option<&str>) -> Code {
    use http_body_util::Full;
    let mut request =
        http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(credential) = credential {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    let frame = Full::new(bytes::Bytes::from_static(&[0, 0, 0, 0, 0]));
    let response = harness.routes.clone().call(request.body(frame).unwrap()).await.unwrap();
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn every_management_call_needs_a_credential() {
    let harness = Harness::new();
    for row in RPC_TABLE.iter().filter(|row| row.caller_class != CallerClass::Anyone) {
        assert_eq!(call(&harness, row.path, None).await, Code::Unauthenticated, "{}", row.path);
        assert_eq!(
            call(&harness, row.path, Some("sk_live_unknown")).await,
            Code::Unauthenticated,
            "{}",
            row.path
        );
    }
}

#[tokio::test]
async fn a_tenants_key_is_not_an_operator() {
    let harness = Harness::new();
    for row in RPC_TABLE.iter().filter(|row| row.caller_class == CallerClass::Operator) {
        assert_eq!(call(&harness, row.path, Some(GOOD)).await, Code::PermissionDenied, "{}", row.path);
        assert_ne!(call(&harness, row.path, Some(ROOT)).await, Code::PermissionDenied, "{}", row.path);
    }
}

#[tokio::test]
async fn a_key_without_the_scope_manages_nothing() {
    let harness = Harness::new();
    for row in RPC_TABLE.iter().filter(|row| row.caller_class == CallerClass::KeyManager) {
        let with = call(&harness, row.path, Some(GOOD)).await;
        let without = call(&harness, row.path, Some(READER)).await;
        assert!(!matches!(with, Code::PermissionDenied | Code::Unauthenticated), "{} {with:?}", row.path);
        assert!(
            matches!(without, Code::PermissionDenied | Code::InvalidArgument),
            "{} {without:?}",
            row.path
        );
    }
}

#[tokio::test]
async fn a_method_that_is_not_in_the_table_does_not_exist() {
    let harness = Harness::new();
    for path in [
        "/envoy.service.auth.v3.Authorization/Allow",
        "/envoy.service.auth.v3.Authorization/Check/",
        "/envoy.service.auth.v3.Authorization/",
        "/latchkey.v1.KeyService/createkey",
        "/latchkey.v1.NoTokens/Check",
        "/",
    ] {
        assert_eq!(call(&harness, path, Some(ROOT)).await, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn every_call_is_unavailable_before_the_replica_is_ready() {
    let harness = Harness::new();
    harness.ready.store(false, Ordering::SeqCst);
    for row in RPC_TABLE {
        assert_eq!(call(&harness, row.path, Some(ROOT)).await, Code::Unavailable, "{}", row.path);
    }
    harness.ready.store(true, Ordering::SeqCst);
    assert_eq!(call(&harness, RPC_TABLE[0].path, None).await, Code::Ok);
}

#[tokio::test]
async fn a_call_without_a_message_is_an_error() {
    let harness = Harness::new();
    let request = http::Request::post(RPC_TABLE[0].path).header("content-type", "application/grpc");
    let response =
        harness.routes.clone().call(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Internal);
}
