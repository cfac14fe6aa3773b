//! Messages that are compressed with gzip (gRPC over HTTP/2, "Message-Encoding"). They are decompressed in front of
//! all services, which therefore read every call in the same way: with the same limits, and counted by its real size.
//! A unary call has one message, and the messages of a stream are bounded together: callers are not authenticated
//! here, so that the cost of each call must be bounded. Responses are never compressed: they are small, and a secret
//! in a compressed response could be guessed from its length.

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
/// Maximum size of all compressed messages of a stream. A message of reflection has less than a hundred bytes.
const MAX_STREAM_BYTES: usize = 64 * 1024;
/// Number of bytes that each message of a stream counts in addition to its size, so that empty ones are bounded too.
const STREAM_MESSAGE_BYTES: usize = 64;
/// Number of bytes that are decompressed at a time.
const STEP_BYTES: usize = 16 * 1024;

/// Returns the request with its messages uncompressed, and the count of their bytes, which the caller keeps until the
/// call has its response. Fails for an encoding that is not supported.
pub(crate) fn decompress(
    mut request: Request<Body>,
    calls: &'static PendingCalls,
) -> Result<(Request<Body>, Option<Arc<UnpackedBytes>>), Status> {
    if !is_gzip(request.headers())? {
        return Ok((request, None));
    }
    request.headers_mut().remove(ENCODING);
    let path = request.uri().path();
    let check = CheckMethod::from_path(path).is_some();
    let limit = if check { latchkey_grpc::MAX_CHECK_BYTES } else { MAX_MESSAGE_BYTES };
    let left_of_stream = path.starts_with(STREAMS).then_some(MAX_STREAM_BYTES);
    let unpacked = Arc::new(UnpackedBytes::new(calls));
    let count = Arc::clone(&unpacked);
    let request = request.map(|body| {
        let (received, unpacked) = (BytesMut::new(), count);
        Body::new(DecompressedBody { body, received, limit, left_of_stream, unpacked, ended: false })
    });
    Ok((request, Some(unpacked)))
}

/// Returns whether the messages of a call are compressed with gzip. Fails for any other compression.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Status> {
    let Some(encoding) = headers.get(ENCODING) else { return Ok(false) };
    match String::from_utf8_lossy(encoding.as_bytes()).as_ref() {
        "identity" => Ok(false),
        "gzip" => Ok(true),
        other => {
            let mut status = Status::unimplemented(format!(
                "grpc-encoding {other:?} is not supported: send messages with \"gzip\", or uncompressed (\"identity\")"
            ));
            status.metadata_mut().insert(ACCEPT_ENCODING, MetadataValue::from_static("identity,gzip"));
            Err(status)
        }
    }
}

/// Body whose messages are uncompressed. What follows the message of a unary call is not read.
struct DecompressedBody {
    body: Body,
    /// Bytes of the message, until it is complete.
    received: BytesMut,
    /// Maximum size of a message.
    limit: usize,
    /// Number of bytes that further messages of a stream may have; `None` for a unary call.
    left_of_stream: Option<usize>,
    unpacked: Arc<UnpackedBytes>,
    /// True after the message of a unary call, or after an error.
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
        let compressed = *flag == 1;
        if compressed && self.left_of_stream.is_some_and(|left| length > left) {
            return Err(stream_too_large());
        }
        if rest.len() < length {
            return Ok(None);
        }
        let message = self.received.split_to(PREFIX_BYTES + length);
        // Any other flag, and any other length, is an error that the service finds.
        if !compressed {
            return Ok(Some(message.freeze()));
        }
        let message = self.unpack(&message[PREFIX_BYTES..])?;
        if let Some(left) = &mut self.left_of_stream {
            let counted = message.len() - PREFIX_BYTES + STREAM_MESSAGE_BYTES;
            *left = left.checked_sub(counted).ok_or_else(stream_too_large)?;
        }
        Ok(Some(message))
    }

    /// Returns the message with its prefix from its compressed form.
    fn unpack(&self, compressed: &[u8]) -> Result<Bytes, Status> {
        // One member alone (RFC 1952, section 2.2): further ones could be empty, and would cost time that is not counted.
        let mut decoder = GzDecoder::new(compressed);
        let (mut message, mut step) = (vec![0; PREFIX_BYTES], vec![0; STEP_BYTES]);
        let left = self.left_of_stream.unwrap_or(usize::MAX);
        loop {
            let read = decoder.read(&mut step).map_err(|error| damaged(&error.to_string()))?;
            if read == 0 {
                break;
            }
            if message.len() - PREFIX_BYTES + read > self.limit {
                return Ok(too_large());
            }
            if message.len() - PREFIX_BYTES + read > left {
                return Err(stream_too_large());
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

/// Returns the error for a stream whose compressed messages are too large together.
fn stream_too_large() -> Status {
    Status::resource_exhausted(format!(
        "the compressed messages of a stream may have {} KiB together: start another stream, or send them uncompressed",
        MAX_STREAM_BYTES / 1024
    ))
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
                this.ended = this.left_of_stream.is_none() || message.is_err();
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
                    // The service returns the error for a message that does not end.
                    let rest = this.received.split().freeze();
                    return Poll::Ready((!rest.is_empty()).then_some(Ok(Frame::data(rest))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
