//! Codec that passes the bytes of a Check through tonic unchanged, in both directions. Decoding into owned maps and
//! building a response from messages take most of the time of a standard server, and are not needed here.

use std::future::Future;
use std::pin::Pin;

use bytes::{Buf, BufMut, Bytes};
use http::Response;
use tonic::body::Body;
use tonic::codec::{
    BufferSettings, Codec, DecodeBuf, Decoder, EncodeBody, EncodeBuf, Encoder,
    SingleMessageCompressionOverride,
};
use tonic::{Code, Status};

use crate::wire::frame::GrpcFrame;

/// Boxed future of a call.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Codec without decoding or encoding.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawCodec;

/// Bytes of the receive buffer. A request with fifteen headers fits without growing it.
const REQUEST_BUFFER: usize = 2 * 1024;
/// Bytes of the send buffer. A response with ten headers fits without growing it.
const RESPONSE_BUFFER: usize = 1024;
const YIELD_THRESHOLD: usize = 32 * 1024;

impl Codec for RawCodec {
    type Encode = GrpcFrame;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(REQUEST_BUFFER, YIELD_THRESHOLD)
    }
}

impl Encoder for RawCodec {
    type Item = GrpcFrame;
    type Error = Status;

    fn encode(&mut self, frame: GrpcFrame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(frame.message().len());
        out.put_slice(frame.message());
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(RESPONSE_BUFFER, YIELD_THRESHOLD)
    }
}

/// Returns true if tonic rejected a message for its size. No other code in this crate uses
/// `OUT_OF_RANGE`.
pub(crate) fn is_too_large(response: &Response<Body>) -> bool {
    Status::from_header_map(response.headers()).is_some_and(|status| status.code() == Code::OutOfRange)
}

/// Converts a response message to an HTTP response, for a request that tonic did not read.
pub(crate) fn frame_to_http(frame: GrpcFrame) -> Response<Body> {
    let messages = tokio_stream::once(Ok(frame));
    let compression = SingleMessageCompressionOverride::Disable;
    let mut response =
        Response::new(Body::new(EncodeBody::new_server(RawCodec, messages, None, compression, None)));
    let content_type = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
