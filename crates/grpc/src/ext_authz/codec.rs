//! Codec that passes the bytes of a Check through tonic unchanged, in both directions. Decoding into owned maps and
//! building a response from messages take most of the time of a standard server, and are not needed here.

use crate::wire::frame::GrpcFrame;
use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Codec without decoding or encoding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawCodec;

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
