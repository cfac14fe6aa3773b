//! Frame of a gRPC message: a prefix of five bytes with the compression flag and the length, then the message (gRPC
//! over HTTP/2, "Length-Prefixed-Message"). The prefix is reserved before the message is written, so that no bytes
//! are moved.

use prost::Message;

use super::writer::Writer;

const HEADER_BYTES: usize = 5;

/// Complete uncompressed message with its prefix.
pub(crate) struct GrpcFrame(Vec<u8>);

impl GrpcFrame {
    /// Returns a writer for a message, with an initial capacity of `capacity` bytes.
    pub(crate) fn begin(capacity: usize) -> Writer {
        let mut out = Vec::with_capacity(HEADER_BYTES + capacity);
        out.extend_from_slice(&[0; HEADER_BYTES]);
        Writer::append_to(out)
    }

    /// Completes a message that was begun with `begin`.
    pub(crate) fn end(writer: Writer) -> Self {
        Self::with_length(writer.finish())
    }

    /// Encodes a message of prost.
    pub(crate) fn encode(message: &impl Message) -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES + message.encoded_len());
        out.extend_from_slice(&[0; HEADER_BYTES]);
        message.encode_raw(&mut out);
        Self::with_length(out)
    }

    /// Writes the length into the prefix. No message of this crate is near the limit of 4 GiB.
    fn with_length(mut out: Vec<u8>) -> Self {
        let length = u32::try_from(out.len() - HEADER_BYTES).unwrap_or(u32::MAX);
        out[1..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
        Self(out)
    }

    /// Returns the message without its prefix.
    pub(crate) fn message(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    /// Returns the prefix and the message.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_contains_the_length() {
        let mut writer = GrpcFrame::begin(0);
        writer.bytes(1, &[7; 300]);
        let frame = GrpcFrame::end(writer);
        assert_eq!(frame.message().len(), 303);
        assert_eq!(frame.into_bytes()[..5], [0, 0, 0, 1, 47]);
    }

    #[test]
    fn a_message_of_prost_gets_a_prefix() {
        let frame = GrpcFrame::encode(&"text".to_owned());
        assert_eq!(frame.message(), "text".to_owned().encode_to_vec());
        assert_eq!(frame.into_bytes()[..5], [0, 0, 0, 0, 6]);
    }
}
