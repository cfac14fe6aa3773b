//! Writer of protobuf into one growing buffer. A nested message is written in place: one byte is reserved for its
//! length, and if the length needs more, the message is moved up by a byte or two. That is cheaper than measuring the
//! message first, and cheaper than a buffer for each level.

/// Message that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;

impl Writer {
    /// Creates a writer that appends a message to `out`.
    pub(crate) fn append_to(out: Vec<u8>) -> Self {
        Self { out }
    }

    /// Returns the buffer.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Writes an integer, bool or enum.
    pub(crate) fn varint(&mut self, number: u8, value: u64) {
        self.key(number, VARINT);
        self.raw_varint(value);
    }

    /// Writes text.
    pub(crate) fn text(&mut self, number: u8, value: &str) {
        self.bytes(number, value.as_bytes());
    }

    /// Writes bytes.
    pub(crate) fn bytes(&mut self, number: u8, value: &[u8]) {
        self.open(number, value.len());
        self.out.extend_from_slice(value);
    }

    /// Writes encoded fields of a fixed length.
    pub(crate) fn raw_constant<const N: usize>(&mut self, fields: [u8; N]) {
        self.out.extend_from_slice(&fields);
    }

    /// Writes encoded fields.
    pub(crate) fn raw_fields(&mut self, fields: &[u8]) {
        self.out.extend_from_slice(fields);
    }

    /// Writes an entry of a `Struct` whose value is text: the name in field 1, and in field 2 a message with the text
    /// in field 3. If each length fits into one byte, keys and lengths are written together.
    #[expect(
        clippy::inline_always,
        reason = "most names are constants, whose copies are then a few instructions"
    )]
    #[inline(always)]
    pub(crate) fn struct_text_entry(&mut self, number: u8, name: &str, text: &str) {
        let value = Self::field_size(text.len());
        let entry = Self::field_size(name.len()) + Self::field_size(value);
        if let (Ok(entry @ 0..0x80), Ok(name_length), Ok(value), Ok(length)) =
            (u8::try_from(entry), u8::try_from(name.len()), u8::try_from(value), u8::try_from(text.len()))
        {
            self.out.reserve(usize::from(entry) + 2);
            self.out.extend_from_slice(&[
                Self::delimited_key(number),
                entry,
                Self::delimited_key(1),
                name_length,
            ]);
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(&[Self::delimited_key(2), value, Self::delimited_key(3), length]);
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        self.open(number, entry);
        self.text(1, name);
        self.open(2, value);
        self.text(3, text);
    }

    /// Writes an entry of a `Struct` whose value is a number.
    pub(crate) fn struct_number_entry(&mut self, number: u8, name: &str, value: f64) {
        const VALUE: u8 = 9;
        self.open(number, Self::field_size(name.len()) + Self::field_size(VALUE.into()));
        self.text(1, name);
        self.raw_constant([Self::delimited_key(2), VALUE, 2 << 3 | FIXED64]);
        self.raw_constant(value.to_le_bytes());
    }

    /// Writes text that is the concatenation of several parts.
    pub(crate) fn text_parts<const N: usize>(&mut self, number: u8, parts: [&str; N]) {
        self.open(number, parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// Returns the encoded size, in bytes, of a field whose value has `length` bytes.
    pub(crate) fn field_size(length: usize) -> usize {
        let digits = match length {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            _ => varint_bytes(length as u64).1,
        };
        1 + digits + length
    }

    /// Begins a message of a known `length`. The next `length` bytes that are written belong to it.
    #[inline]
    pub(crate) fn open(&mut self, number: u8, length: usize) {
        if let Ok(short @ 0..0x80) = u8::try_from(length) {
            self.out.extend_from_slice(&[Self::delimited_key(number), short]);
        } else {
            self.key(number, DELIMITED);
            self.raw_varint(length as u64);
        }
    }

    /// Returns the key of a length-delimited field.
    pub(crate) const fn delimited_key(number: u8) -> u8 {
        number << 3 | DELIMITED
    }

    /// Writes a message whose fields `fill` writes.
    pub(crate) fn message(&mut self, number: u8, fill: impl FnOnce(&mut Self)) {
        self.key(number, DELIMITED);
        let start = self.out.len();
        self.out.push(0);
        fill(self);
        let end = self.out.len();
        if let Ok(short @ 0..0x80) = u8::try_from(end - start - 1) {
            self.out[start] = short;
            return;
        }
        let (digits, width) = varint_bytes((end - start - 1) as u64);
        self.out.resize(end + width - 1, 0);
        self.out.copy_within(start + 1..end, start + width);
        self.out[start..start + width].copy_from_slice(&digits[..width]);
    }

    /// Writes a field's key. Every number that this crate writes is below 16, so that the key has one byte.
    fn key(&mut self, number: u8, wire: u8) {
        debug_assert!((1..16).contains(&number));
        self.out.push(number << 3 | wire);
    }

    fn raw_varint(&mut self, value: u64) {
        if let (Ok(byte), true) = (u8::try_from(value), value < 0x80) {
            self.out.push(byte);
            return;
        }
        let (digits, width) = varint_bytes(value);
        self.out.extend_from_slice(&digits[..width]);
    }
}

/// Returns the bytes of a varint and the number of bytes that are used.
fn varint_bytes(mut value: u64) -> ([u8; 10], usize) {
    let mut digits = [0; 10];
    let mut width = 0;
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        digits[width] = if value == 0 { low } else { low | 0x80 };
        width += 1;
        if value == 0 {
            return (digits, width);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding::encode_varint;

    use super::*;

    proptest! {
        #[test]
        fn varints_are_written_as_prost_writes_them(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut theirs = Vec::new();
            encode_varint(value, &mut theirs);
            let (digits, width) = varint_bytes(value);
            prop_assert_eq!(&digits[..width], &theirs);
        }

        #[test]
        fn a_message_of_any_length_has_its_length_in_front(body in prop::collection::vec(any::<u8>(), 0..20_000)) {
            let mut outer = Writer::append_to(Vec::new());
            outer.message(2, |w| w.message(3, |w| w.bytes(1, &body)));
            let mut flat = Writer::append_to(Vec::new());
            flat.bytes(1, &body);
            let (mut middle, inner) = (Writer::append_to(Vec::new()), flat.finish());
            middle.bytes(3, &inner);
            let mut expected = Writer::append_to(Vec::new());
            expected.bytes(2, &middle.finish());
            prop_assert_eq!(outer.finish(), expected.finish());
        }
    }

    #[test]
    fn parts_are_written_as_one_text() {
        let mut writer = Writer::append_to(Vec::new());
        writer.text_parts(1, ["123", "", "45"]);
        assert_eq!(writer.finish(), b"\x0a\x0512345");
    }
}
