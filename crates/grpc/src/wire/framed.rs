//! A message as gRPC sends it: behind five bytes that say that it is not compressed, and how long it is (gRPC
//! over HTTP/2, "Length-Prefixed-Message"). They are kept free in front, so that nothing is moved.

use prost::Message;

use super::writer::Writer;

const PREFIX: usize = 5;

/// A whole message behind its prefix.
pub(crate) struct Framed(Vec<u8>);

impl Framed {
    /// A message that is to be written, with room for `capacity` bytes.
    pub(crate) fn begin(capacity: usize) -> Writer {
        let mut out = Vec::with_capacity(PREFIX + capacity);
        out.extend_from_slice(&[0; PREFIX]);
        Writer::after(out)
    }

    /// The message that was begun.
    pub(crate) fn end(writer: Writer) -> Self {
        Self::sealed(writer.finish())
    }

    /// A message of prost's.
    pub(crate) fn of(message: &impl Message) -> Self {
        let mut out = Vec::with_capacity(PREFIX + message.encoded_len());
        out.extend_from_slice(&[0; PREFIX]);
        message.encode_raw(&mut out);
        Self::sealed(out)
    }

    /// No message of ours comes near the four gigabytes that the prefix can tell of.
    fn sealed(mut out: Vec<u8>) -> Self {
        let length = u32::try_from(out.len() - PREFIX).unwrap_or(u32::MAX);
        out[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        Self(out)
    }

    /// The message alone.
    pub(crate) fn message(&self) -> &[u8] {
        &self.0[PREFIX..]
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
        let mut writer = Framed::begin(0);
        writer.bytes(1, &[7; 300]);
        let framed = Framed::end(writer);
        assert_eq!(framed.message().len(), 303);
        assert_eq!(framed.into_bytes()[..5], [0, 0, 0, 1, 47]);
    }

    #[test]
    fn a_message_of_prosts_is_framed_as_well() {
        let framed = Framed::of(&"text".to_owned());
        assert_eq!(framed.message(), "text".to_owned().encode_to_vec());
        assert_eq!(framed.into_bytes()[..5], [0, 0, 0, 0, 6]);
    }
}
