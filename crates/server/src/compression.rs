//! Messages of unary calls that are compressed with gzip (gRPC over HTTP/2, "Message-Encoding"). They are decompressed in
//! front of all services, which therefore read every call in the same way: with the same limits, and counted by its real
//! size. A compressed call has one message: callers are not authenticated here, and each must cost a bounded amount.
//! Responses are never compressed: they are small, and a secret in a compressed response could be guessed from its length.

use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use http::{HeaderMap, Request};
use http_body::Frame;
use latchkey_grpc::CheckMethod;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataValue;

use crate::message_body::STREAMS;
use crate::pending_calls::{PendingCalls, UnpackedBytes};

/// Header with the encoding of a call's messages.
const ENCODING: &str = "grpc-encoding";
/// Header with the encodings that a server takes.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
/// Length of the prefix of a message: a flag, and four bytes of length.
const PREFIX_BYTES: usize = 5;
/// Maximum size of a message that is not a Check, which is tonic's own default.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Number of bytes that are decompressed at a time.
const STEP_BYTES: usize = 16 * 1024;

/// Returns the request with its message uncompressed, and the count of its bytes, which the caller keeps until the call
/// has its response. Fails for an encoding that is not supported.
pub(crate) fn decompress(
    mut request: Request<Body>,
    calls: &'static PendingCalls,
) -> Result<(Request<Body>, Option<Arc<UnpackedBytes>>), Status> {
    if !is_gzip(request.headers())? {
        return Ok((request, None));
    }
    if request.uri().path().starts_with(STREAMS) {
        return Err(unsupported(
            "grpc-encoding \"gzip\" is not supported for a stream of messages: send them uncompressed (\"identity\")",
            "identity",
        ));
    }
    request.headers_mut().remove(ENCODING);
    let check = CheckMethod::from_path(request.uri().path()).is_some();
    let limit = if check { latchkey_grpc::MAX_CHECK_BYTES } else { MAX_MESSAGE_BYTES };
    let unpacked = Arc::new(UnpackedBytes::new(calls));
    let count = Arc::clone(&unpacked);
    let request = request.map(|body| {
        Body::new(DecompressedBody { body, received: BytesMut::new(), limit, unpacked: count, ended: false })
    });
    Ok((request, Some(unpacked)))
}

/// Returns whether the messages of a call are compressed with gzip. Fails for any other compression.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Status> {
    let Some(encoding) = headers.get(ENCODING) else { return Ok(false) };
    match String::from_utf8_lossy(encoding.as_bytes()).as_ref() {
        "identity" => Ok(false),
        "gzip" => Ok(true),
        other => Err(unsupported(
            format!(
                "grpc-encoding {other:?} is not supported: send messages with \"gzip\", or uncompressed (\"identity\")"
            ),
            "identity,gzip",
        )),
    }
}

/// Returns the error for an encoding that is not supported, with those that are.
fn unsupported(message: impl Into<String>, accepted: &'static str) -> Status {
    let mut status = Status::unimplemented(message);
    status.metadata_mut().insert(ACCEPT_ENCODING, MetadataValue::from_static(accepted));
    status
}

/// Body with one message, which is uncompressed. All that follows the message is not read.
struct DecompressedBody {
    body: Body,
    /// Bytes of the message, until it is complete.
    received: BytesMut,
    /// Maximum size of the message.
    limit: usize,
    unpacked: Arc<UnpackedBytes>,
    /// True after the message, or after an error.
    ended: bool,
}

impl DecompressedBody {
    /// Returns the message with its prefix, or `None` if it is not complete.
    fn message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((prefix, rest)) = self.received.split_at_checked(PREFIX_BYTES) else { return Ok(None) };
        let [flag, length @ ..] = prefix else { return Ok(None) };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        // Data that cannot be compressed becomes longer by a small part.
        if length > self.limit + self.limit / 1024 + 64 {
            return Ok(Some(too_large()));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let compressed = *flag == 1;
        let message = self.received.split_to(PREFIX_BYTES + length);
        // Any other flag, and any other length, is an error that the service finds.
        if compressed { self.unpack(&message[PREFIX_BYTES..]).map(Some) } else { Ok(Some(message.freeze())) }
    }

    /// Returns the message with its prefix from its compressed form.
    fn unpack(&self, compressed: &[u8]) -> Result<Bytes, Status> {
        // One member alone (RFC 1952, section 2.2): further ones could be empty, and would cost time that is not counted.
        let mut decoder = GzDecoder::new(compressed);
        let (mut message, mut step) = (vec![0; PREFIX_BYTES], vec![0; STEP_BYTES]);
        loop {
            let read = decoder.read(&mut step).map_err(|error| damaged(&error.to_string()))?;
            if read == 0 {
                break;
            }
            if message.len() - PREFIX_BYTES + read > self.limit {
                return Ok(too_large());
            }
            if !self.unpacked.add(read) {
                return Err(Status::resource_exhausted(
                    "too many compressed messages are being processed: send the call again later, or uncompressed",
                ));
            }
            message.extend_from_slice(&step[..read]);
        }
        if !decoder.into_inner().is_empty() {
            return Err(damaged("there are bytes after its end"));
        }
        let prefix = prefix(message.len() - PREFIX_BYTES);
        message[..PREFIX_BYTES].copy_from_slice(&prefix);
        Ok(message.into())
    }
}

/// Returns the error for a message that is not the output of gzip.
fn damaged(cause: &str) -> Status {
    Status::internal(format!("a message with grpc-encoding \"gzip\" could not be decompressed: {cause}"))
}

/// Returns the prefix of a message that is longer than the limit of every service. The service rejects it as it rejects
/// every message that is too large, before it reads more.
fn too_large() -> Bytes {
    Bytes::copy_from_slice(&prefix(MAX_MESSAGE_BYTES + 1))
}

/// Returns the prefix of an uncompressed message of this length.
fn prefix(length: usize) -> [u8; PREFIX_BYTES] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [0, a, b, c, d]
}

impl http_body::Body for DecompressedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            if let Some(message) = this.message().transpose() {
                this.ended = true;
                return Poll::Ready(Some(message.map(Frame::data)));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.received.extend_from_slice(&data),
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    this.ended = true;
                    // The service says what is wrong with a message that does not end.
                    let rest = this.received.split().freeze();
                    return Poll::Ready((!rest.is_empty()).then_some(Ok(Frame::data(rest))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
