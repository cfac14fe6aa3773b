//! What goes back: one message and the status that it went well, or an answer that tonic made.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::{Body, Frame};
use tonic::Status;

use crate::wire::framed::Framed;

/// The body of an answer.
pub struct Answer(Form);

enum Form {
    /// A message with its prefix.
    Message(Bytes),
    /// The message has gone; the status comes behind it.
    Trailers,
    /// Nothing is left.
    Done,
    /// tonic's own.
    Other(tonic::body::Body),
}

impl From<tonic::body::Body> for Answer {
    fn from(body: tonic::body::Body) -> Self {
        Self(Form::Other(body))
    }
}

/// An answer of one message, which has its prefix already.
pub(super) fn message(framed: Framed) -> Response<Answer> {
    let mut response = Response::new(Answer(Form::Message(framed.into_bytes().into())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// An answer that is a status alone.
pub(super) fn status(status: &Status) -> Response<Answer> {
    status.clone().into_http::<tonic::body::Body>().map(Answer::from)
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let form = &mut self.get_mut().0;
        let (frame, next) = match form {
            Form::Other(body) => return Pin::new(body).poll_frame(cx),
            Form::Message(framed) => (Frame::data(std::mem::take(framed)), Form::Trailers),
            Form::Trailers => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
                (Frame::trailers(trailers), Form::Done)
            }
            Form::Done => return Poll::Ready(None),
        };
        *form = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Other(body) => body.is_end_stream(),
            Form::Done => true,
            Form::Message(_) | Form::Trailers => false,
        }
    }
}
