//! Response of a Check: a message followed by the status OK, a status alone, or a response of tonic.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame};
use tonic::Status;

use crate::wire::frame::GrpcFrame;

/// Body of a response.
pub struct ResponseBody(BodyState);

enum BodyState {
    /// Message with its prefix, not sent yet.
    Message(Bytes),
    /// Message sent; the trailers with the status follow.
    Trailers,
    /// Complete.
    Done,
    /// Body of tonic.
    Other(tonic::body::Body),
}

impl From<tonic::body::Body> for ResponseBody {
    fn from(body: tonic::body::Body) -> Self {
        Self(BodyState::Other(body))
    }
}

/// Returns the response with one message, which already has its prefix.
pub(super) fn message(frame: GrpcFrame) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody(BodyState::Message(frame.into_bytes().into())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Returns the response with a status alone.
pub(super) fn status(status: &Status) -> Response<ResponseBody> {
    status.clone().into_http::<tonic::body::Body>().map(ResponseBody::from)
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let state = &mut self.get_mut().0;
        let (frame, next) = match state {
            BodyState::Other(body) => return Pin::new(body).poll_frame(cx),
            BodyState::Message(frame) => (Frame::data(std::mem::take(frame)), BodyState::Trailers),
            BodyState::Trailers => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
                (Frame::trailers(trailers), BodyState::Done)
            }
            BodyState::Done => return Poll::Ready(None),
        };
        *state = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyState::Other(body) => body.is_end_stream(),
            BodyState::Done => true,
            BodyState::Message(_) | BodyState::Trailers => false,
        }
    }
}
