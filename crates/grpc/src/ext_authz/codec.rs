//! How tonic carries a Check: the question is handed on as the bytes that came, and the answer as the bytes
//! that go. Decoding into owned maps and building an answer from messages is what most of a stock server's
//! time goes into; nobody here needs either.

use crate::wire::frame::GrpcFrame;
use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Bytes in, bytes out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawCodec;

/// A question with fifteen headers, and an answer with ten, fit without growing.
const REQUEST_BUFFER: usize = 2 * 1024;
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

    fn encode(&mut self, answer: GrpcFrame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(answer.message().len());
        out.put_slice(answer.message());
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(RESPONSE_BUFFER, YIELD_THRESHOLD)
    }
}
