//! Reading of the single message in the body of a unary call (gRPC over HTTP/2, "Length-Prefixed-Message"): a byte
//! with the compression flag, four bytes with the length, and the message. Nearly always, the first frame contains
//! all of it. Any other body is returned rewound, with the frames that were read put in front again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};

/// Length of the prefix of a message: a compression flag and four bytes of length.
const FRAME_HEADER_BYTES: usize = 5;

/// Body of a call after reading.
pub(super) enum UnaryBody<B> {
    /// Body that is one complete uncompressed message.
    Message(Bytes),
    /// Body of any other form: more or less than one message in the first frame, or a compressed one.
    Other(RewoundBody<B>),
}

/// Body that yields all of its frames again, including those that were already read.
pub(super) struct RewoundBody<B> {
    first: Bytes,
    second: Bytes,
    rest: B,
}

/// Reads a body to its end if it is one message in one frame.
pub(super) async fn read_unary<B: Body<Data = Bytes> + Unpin>(mut body: B) -> UnaryBody<B> {
    let Some(mut first) = data(&mut body).await else { return other(Bytes::new(), Bytes::new(), body) };
    if !is_single_message(&first) {
        return other(first, Bytes::new(), body);
    }
    // Some clients end a stream with an empty frame.
    while !body.is_end_stream() {
        match data(&mut body).await {
            None => break,
            Some(more) if more.is_empty() => {}
            Some(more) => return other(first, more, body),
        }
    }
    first.advance(FRAME_HEADER_BYTES);
    UnaryBody::Message(first)
}

fn other<B>(first: Bytes, second: Bytes, rest: B) -> UnaryBody<B> {
    UnaryBody::Other(RewoundBody { first, second, rest })
}

/// Returns true if a frame is exactly one uncompressed message.
fn is_single_message(frame: &[u8]) -> bool {
    match frame.split_at_checked(FRAME_HEADER_BYTES) {
        Some(([0, length @ ..], message)) => {
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            length == message.len() && length <= super::super::ext_authz::MAX_MESSAGE_BYTES
        }
        Some(_) | None => false,
    }
}

/// Returns the next frame of data, or `None` at the end of the body or after an error of the connection. tonic reads
/// the rewound body then and distinguishes the two.
async fn data<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Option<Bytes> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?.ok()?;
        if let Ok(data) = frame.into_data() {
            return Some(data);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RewoundBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        for data in [&mut this.first, &mut this.second] {
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))));
            }
        }
        Pin::new(&mut this.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.second.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, StreamBody};
    use tokio_stream::iter;

    use super::*;

    fn body(frames: &[&[u8]]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames: Vec<_> =
            frames.iter().map(|f| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(f)))).collect();
        StreamBody::new(iter(frames))
    }

    /// Returns the message of a body of these frames, or all bytes of the rewound body.
    async fn read_frames(frames: &[&[u8]]) -> Result<Vec<u8>, Vec<u8>> {
        read_all(body(frames)).await
    }

    async fn read_all<B: Body<Data = Bytes, Error = Infallible> + Unpin>(
        body: B,
    ) -> Result<Vec<u8>, Vec<u8>> {
        match read_unary(body).await {
            UnaryBody::Message(message) => Ok(message.to_vec()),
            UnaryBody::Other(rewound) => Err(rewound.collect().await.unwrap().to_bytes().to_vec()),
        }
    }

    /// Body of one frame that is pending on the first poll.
    struct DelayedBody(Option<Bytes>, bool);

    impl Body for DelayedBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if std::mem::replace(&mut self.1, true) {
                return Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_frame_that_has_not_arrived_is_awaited() {
        let body = DelayedBody(Some(Bytes::from_static(b"\0\0\0\0\x01a")), false);
        assert_eq!(read_all(body).await, Ok(b"a".to_vec()));
    }

    #[tokio::test]
    async fn one_message_in_one_frame_is_read() {
        assert_eq!(read_frames(&[b"\0\0\0\0\x02ab"]).await, Ok(b"ab".to_vec()));
        assert_eq!(read_frames(&[b"\0\0\0\0\x02ab", b""]).await, Ok(b"ab".to_vec()));
        assert_eq!(read_frames(&[b"\0\0\0\0\0"]).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn any_other_body_is_returned_unchanged() {
        let odd: [&[&[u8]]; 7] = [
            &[],
            &[b"\0\0\0"],
            &[b"\0\0\0\0\x02a", b"b"],
            &[b"\0\0\0\0\x02abc"],
            &[b"\x01\0\0\0\x02ab"],
            &[b"\0\0\0\0\x02ab", b"\0\0\0\0\x01c"],
            &[b"\0\0\0\0\x02ab", b"", b"x", b"y"],
        ];
        for frames in odd {
            assert_eq!(read_frames(frames).await, Err(frames.concat()), "{frames:?}");
        }
        let large = [b"\0\0\x04\0\x01".to_vec(), vec![7; 262_145]].concat();
        assert_eq!(read_frames(&[&large]).await, Err(large.clone()));
    }
}
