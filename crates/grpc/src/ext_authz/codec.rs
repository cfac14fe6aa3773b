//! How tonic carries a Check: the question is handed on as the bytes that came, and the answer as the bytes
//! that go. Decoding into owned maps and building an answer from messages is what most of a stock server's
//! time goes into; nobody here needs either.

use crate::wire::framed::Framed;
use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Bytes in, bytes out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Raw;

/// A question with fifteen headers, and an answer with ten, fit without growing.
const QUESTION: usize = 2 * 1024;
const ANSWER: usize = 1024;
const YIELD: usize = 32 * 1024;

impl Codec for Raw {
    type Encode = Framed;
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

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(QUESTION, YIELD)
    }
}

impl Encoder for Raw {
    type Item = Framed;
    type Error = Status;

    fn encode(&mut self, answer: Framed, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(answer.message().len());
        out.put_slice(answer.message());
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(ANSWER, YIELD)
    }
}
