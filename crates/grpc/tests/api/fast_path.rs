//! Tests of the fast path as a connection polls it: a call that does not wait is ready on the first poll, and the
//! future, which is allocated for each call, is small.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use latchkey_grpc::CheckMethod;
use latchkey_proto::v1;
use prost::Message;

use crate::envoy::check_request;
use crate::harness::{GOOD, Harness};

/// Largest size of the future of a Check with a small body, in bytes.
const MAX_FUTURE_BYTES: usize = 6 * 1024;

fn frame(message: &impl Message) -> Full<Bytes> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Full::from([&[0], &length[..], &message].concat())
}

#[tokio::test]
async fn a_call_that_does_not_wait_is_ready_on_the_first_poll() {
    let harness = Harness::new();
    let native =
        v1::CheckRequest { profile: "shop".into(), path: "/health".into(), ..v1::CheckRequest::default() };
    for (method, body) in [
        (CheckMethod::Envoy, frame(&check_request("/health", &[]))),
        (CheckMethod::Envoy, frame(&check_request("/v1/items", &[]))),
        (
            CheckMethod::Envoy,
            frame(&v1::CheckRequest { credential: "not a message of Envoy".into(), ..native.clone() }),
        ),
        (CheckMethod::Native, frame(&native)),
    ] {
        let headers = HeaderMap::new();
        let future = pin!(harness.routes.fast_path().respond(method, &headers, body));
        let polled = future.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))), "{method:?}");
    }
}

#[tokio::test]
async fn a_call_that_waits_continues_after_the_wait() {
    let harness = Harness::new();
    harness.hang_store();
    let headers = HeaderMap::new();
    let mut future = pin!(harness.routes.fast_path().respond(
        CheckMethod::Envoy,
        &headers,
        frame(&check_request("/v1/items", &[("x-api-key", GOOD)]))
    ));
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert!(harness.recorded.take().is_empty(), "a pending call has no event");
    assert!(future.await.is_ok());
    assert_eq!(harness.recorded.take(), ["ext_authz UNAVAILABLE database "], "one response has one event");
}

#[test]
fn the_future_of_a_call_is_small() {
    let harness = Harness::new();
    let headers = HeaderMap::new();
    let body = frame(&check_request("/health", &[]));
    let future = harness.routes.fast_path().respond(CheckMethod::Envoy, &headers, body);
    assert!(size_of_val(&future) <= MAX_FUTURE_BYTES, "{}", size_of_val(&future));
}
