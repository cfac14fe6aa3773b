//! Bound of the process and of each connection on responses that are streams without an end: those of health and of
//! reflection. They need no credential, and each holds memory for as long as its client likes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use latchkey_grpc::ResponseBody;
use tonic::Status;
use tonic::body::Body;

use crate::message_body::STREAMS;

/// Path of the call whose response is a stream of states of health.
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";
/// Maximum number of streams of a connection. A client that balances its load watches health once on each connection, and
/// a tool needs one stream of reflection.
const MAX_OF_CONNECTION: usize = 4;
/// Maximum number of streams of the process. Each holds about 10 KiB, so that all of them together hold 40 MiB.
const MAX_OF_PROCESS: usize = 4 * 1024;
/// Number of the process's streams from which on a connection gets no second one, so that a client needs thousands of
/// connections to take all of them.
const MANY: usize = MAX_OF_PROCESS / 2;

/// Number of streams of the process.
static OF_PROCESS: AtomicUsize = AtomicUsize::new(0);

/// Streams of a connection.
pub(crate) struct ConnectionStreams {
    open: AtomicUsize,
    of_process: &'static AtomicUsize,
}

impl Default for ConnectionStreams {
    fn default() -> Self {
        Self { open: AtomicUsize::new(0), of_process: &OF_PROCESS }
    }
}

impl ConnectionStreams {
    /// Counts a stream. `None` means that there are too many.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<EndlessStream> {
        let own = self.open.fetch_add(1, Ordering::Relaxed);
        let all = self.of_process.fetch_add(1, Ordering::Relaxed);
        // It counts from now on, so that it leaves no count behind if there is no room.
        let stream = EndlessStream(Arc::clone(self));
        let room = if own == 0 { MAX_OF_PROCESS } else { MANY };
        (own < MAX_OF_CONNECTION && all < room).then_some(stream)
    }
}

/// Stream that is counted until it is dropped.
pub(crate) struct EndlessStream(Arc<ConnectionStreams>);

impl Drop for EndlessStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.of_process.fetch_sub(1, Ordering::Relaxed);
    }
}

impl EndlessStream {
    /// Returns the response, which holds the count until its end.
    pub(crate) fn hold(self, response: Response<ResponseBody>) -> Response<ResponseBody> {
        response.map(|body| ResponseBody::from(Body::new(CountedBody { body, _stream: self })))
    }
}

/// Returns whether the response to a call of this path is a stream without an end.
pub(crate) fn is_endless(path: &str) -> bool {
    path == HEALTH_WATCH || path.starts_with(STREAMS)
}

/// Returns the response to a call for which there is no room.
pub(crate) fn too_many_streams() -> Response<ResponseBody> {
    let status = Status::resource_exhausted(format!(
        "too many streams of health and reflection are open: a connection may have {MAX_OF_CONNECTION}, and all \
         together {MAX_OF_PROCESS}; end one, or ask with Health/Check"
    ));
    status.into_http::<Body>().map(ResponseBody::from)
}

/// Body of a stream that is counted.
struct CountedBody {
    body: ResponseBody,
    _stream: EndlessStream,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = <ResponseBody as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;

    fn connection(of_process: &'static AtomicUsize) -> Arc<ConnectionStreams> {
        Arc::new(ConnectionStreams { open: AtomicUsize::new(0), of_process })
    }

    fn process() -> &'static AtomicUsize {
        Box::leak(Box::default())
    }

    /// Begins streams on a connection of its own, at most `most`, and returns the number of all.
    fn begin(of_process: &'static AtomicUsize, held: &mut Vec<EndlessStream>, most: usize) -> usize {
        let connection = connection(of_process);
        held.extend((0..most).map_while(|_| connection.begin()));
        held.len()
    }

    #[test]
    fn a_connection_has_few_streams_and_the_end_of_one_makes_room() {
        let connection = connection(process());
        let mut streams: Vec<_> = (0..MAX_OF_CONNECTION).map(|_| connection.begin().unwrap()).collect();
        for _ in 0..2 {
            assert!(connection.begin().is_none(), "one that is refused leaves no count behind");
        }
        drop(streams.pop());
        assert!(connection.begin().is_some());
    }

    #[test]
    fn the_last_streams_are_for_connections_without_one() {
        let (process, mut held) = (process(), Vec::new());
        while begin(process, &mut held, MAX_OF_CONNECTION) < MANY {}
        assert_eq!(begin(process, &mut held, MAX_OF_CONNECTION), MANY + 1, "one more, and no second one");
        while begin(process, &mut held, 1) < MAX_OF_PROCESS {}
        assert!(connection(process).begin().is_none());
        held.clear();
        assert_eq!(process.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_response_holds_its_place_until_its_body_is_dropped() {
        let connection = connection(process());
        let frames = tokio_stream::pending::<Result<Frame<Bytes>, Status>>();
        let endless = ResponseBody::from(Body::new(http_body_util::StreamBody::new(frames)));
        let response = connection.begin().unwrap().hold(Response::new(endless));
        assert_eq!(connection.open.load(Ordering::Relaxed), 1);
        drop(response);
        assert_eq!(connection.open.load(Ordering::Relaxed), 0);
        let ended = connection.begin().unwrap().hold(too_many_streams());
        assert!(ended.body().is_end_stream(), "an error has no body");
        assert_eq!(connection.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn health_and_reflection_have_streams() {
        for path in
            ["/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
        {
            assert!(is_endless(path), "{path}");
        }
        for path in ["/grpc.health.v1.Health/Check", "/latchkey.v1.CheckService/Check"] {
            assert!(!is_endless(path), "{path}");
        }
    }
}
