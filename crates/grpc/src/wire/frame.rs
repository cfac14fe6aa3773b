//! A message as gRPC sends it: behind five bytes that say that it is not compressed, and how long it is (gRPC
//! over HTTP/2, "Length-Prefixed-Message"). They are kept free in front, so that nothing is moved.

use prost::Message;

use super::writer::Writer;

const HEADER_BYTES: usize = 5;

/// A whole message behind its prefix.
pub(crate) struct GrpcFrame(Vec<u8>);

impl GrpcFrame {
    /// A message that is to be written, with room for `capacity` bytes.
    pub(crate) fn begin(capacity: usize) -> Writer {
        let mut out = Vec::with_capacity(HEADER_BYTES + capacity);
        out.extend_from_slice(&[0; HEADER_BYTES]);
        Writer::append_to(out)
    }

    /// The message that was begun.
    pub(crate) fn end(writer: Writer) -> Self {
        Self::with_length(writer.finish())
    }

    /// A message of prost's.
    pub(crate) fn encode(message: &impl Message) -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES + message.encoded_len());
        out.extend_from_slice(&[0; HEADER_BYTES]);
        message.encode_raw(&mut out);
        Self::with_length(out)
    }

    /// No message of ours comes near the four gigabytes that the prefix can tell of.
    fn with_length(mut out: Vec<u8>) -> Self {
        let length = u32::try_from(out.len() - HEADER_BYTES).unwrap_or(u32::MAX);
        out[1..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
        Self(out)
    }

    /// The message alone.
    pub(crate) fn message(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    /// Prefix and message.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_tells_the_length() {
        let mut writer = GrpcFrame::begin(0);
        writer.bytes(1, &[7; 300]);
        let frame = GrpcFrame::end(writer);
        assert_eq!(frame.message().len(), 303);
        assert_eq!(frame.into_bytes()[..5], [0, 0, 0, 1, 47]);
    }

    #[test]
    fn a_message_of_prosts_is_framed_as_well() {
        let frame = GrpcFrame::encode(&"text".to_owned());
        assert_eq!(frame.message(), "text".to_owned().encode_to_vec());
        assert_eq!(frame.into_bytes()[..5], [0, 0, 0, 0, 6]);
    }
}
