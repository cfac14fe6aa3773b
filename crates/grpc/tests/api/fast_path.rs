//! The fast path as a connection polls it: what waits for nothing is over on the first poll, and the work on a
//! call, which is allocated for each, stays small.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use latchkey_grpc::CheckMethod;
use latchkey_proto::v1;
use prost::Message;

use crate::envoy::check_request;
use crate::harness::{GOOD, Harness};

/// Bytes of the work on one Check, of either kind, with a small body.
const MOST: usize = 6 * 1024;

fn frame(message: &impl Message) -> Request<Full<Bytes>> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Request::new(Full::from([&[0], &length[..], &message].concat()))
}

#[tokio::test]
async fn what_waits_for_nothing_is_over_on_the_first_poll() {
    let harness = Harness::new();
    let native =
        v1::CheckRequest { profile: "shop".into(), path: "/health".into(), ..v1::CheckRequest::default() };
    for (method, request) in [
        (CheckMethod::Envoy, frame(&check_request("/health", &[]))),
        (CheckMethod::Envoy, frame(&check_request("/v1/items", &[]))),
        (
            CheckMethod::Envoy,
            frame(&v1::CheckRequest { credential: "no message of Envoy's".into(), ..native.clone() }),
        ),
        (CheckMethod::Native, frame(&native)),
    ] {
        let work = pin!(harness.routes.fast_path().respond(method, request));
        let polled = work.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))), "{method:?}");
    }
}

#[tokio::test]
async fn what_has_to_wait_goes_on_from_there() {
    let harness = Harness::new();
    harness.hang_store();
    let mut work = pin!(
        harness
            .routes
            .fast_path()
            .respond(CheckMethod::Envoy, frame(&check_request("/v1/items", &[("x-api-key", GOOD)])))
    );
    let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert!(harness.recorded.take().is_empty(), "there is no answer yet");
    assert!(work.await.is_ok());
    assert_eq!(harness.recorded.take(), ["ext_authz UNAVAILABLE database "], "one answer has one event");
}

#[test]
fn the_work_on_a_call_is_small() {
    let harness = Harness::new();
    let work = harness.routes.fast_path().respond(CheckMethod::Envoy, frame(&check_request("/health", &[])));
    assert!(size_of_val(&work) <= MOST, "{}", size_of_val(&work));
}
