//! Body of a call with a deadline for its message, counted among those that the process waits for.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::pending_calls::{MessageWait, PendingCalls};

/// Time in which the message of a call must arrive, from the first wait for it.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a stream of messages (reflection), which its client may keep open for several requests.
const STREAM_TIMEOUT: Duration = Duration::from_secs(60);
/// Path of the services whose calls are streams of messages.
pub(crate) const STREAMS: &str = "/grpc.reflection.";

/// Body whose frames must arrive in time.
pub(crate) struct MessageBody<B> {
    body: B,
    calls: &'static PendingCalls,
    timeout: Duration,
    received: usize,
    wait: Option<Box<(Pin<Box<Sleep>>, MessageWait)>>,
    failed: Option<Failure>,
}

/// Reason why a body ended early.
#[derive(Clone, Copy)]
enum Failure {
    Late,
    Evicted,
}

impl Failure {
    fn status(self) -> Status {
        match self {
            Self::Late => Status::deadline_exceeded("the message of the call did not arrive in time"),
            Self::Evicted => {
                Status::resource_exhausted("too many calls wait for their messages; this one waited longest")
            }
        }
    }
}

impl<B> MessageBody<B> {
    /// Wraps the body of a call to `path`.
    pub(crate) fn new(body: B, path: &str, calls: &'static PendingCalls) -> Self {
        let timeout = if path.starts_with(STREAMS) { STREAM_TIMEOUT } else { MESSAGE_TIMEOUT };
        Self { body, calls, timeout, received: 0, wait: None, failed: None }
    }

    /// Returns the reason for which the wait must end.
    fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let (calls, received, timeout) = (self.calls, self.received, self.timeout);
        let wait = self
            .wait
            .get_or_insert_with(|| Box::new((Box::pin(sleep(timeout)), calls.await_message(received))));
        if wait.1.poll_evicted(cx).is_ready() {
            return Poll::Ready(Failure::Evicted);
        }
        wait.0.as_mut().poll(cx).map(|()| Failure::Late)
    }
}

impl<B> Body for MessageBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if let Some(failure) = this.failed {
            return Poll::Ready(Some(Err(failure.status())));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => {
                let Poll::Ready(failure) = this.poll_failure(cx) else { return Poll::Pending };
                (this.failed, this.wait) = (Some(failure), None);
                Poll::Ready(Some(Err(failure.status())))
            }
            Poll::Ready(Some(Ok(frame))) => {
                let received = frame.data_ref().map_or(0, Bytes::len);
                this.received += received;
                if let Some(wait) = &this.wait {
                    wait.1.add(received);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Status::from_error(error.into())))),
            Poll::Ready(None) => {
                this.wait = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, StreamBody};
    use tokio_stream::StreamExt as _;
    use tonic::Code;

    use super::*;

    fn body(first: &'static [u8]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames = tokio_stream::iter([Ok(Frame::data(Bytes::from_static(first)))]);
        StreamBody::new(frames.chain(tokio_stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_does_not_end_fails_at_its_deadline() {
        let waiting =
            MessageBody::new(body(b"\0\0"), "/latchkey.v1.CheckService/Check", PendingCalls::leak());
        assert_eq!(waiting.collect().await.unwrap_err().code(), Code::DeadlineExceeded);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_failed_stays_failed() {
        let mut waiting = MessageBody::new(body(b""), "/x", PendingCalls::leak());
        assert!(waiting.frame().await.unwrap().is_ok());
        for _ in 0..2 {
            assert_eq!(waiting.frame().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        }
        assert!(!waiting.is_end_stream());
    }
}
