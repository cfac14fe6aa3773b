//! Reads protobuf from a slice and hands out slices of it. It holds the same rules as prost: varints of
//! ten bytes at most, text in UTF-8, a known field's wire type, a hundred levels of nesting. Nothing that
//! is in a message can make it panic, allocate or read a byte twice.

use super::scan::{self, Look};

/// Bytes that are no message of the kind that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// How a field's value is written (protobuf encoding, "Message Structure").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Varint,
    Fixed64,
    Delimited,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// The key that stands before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The field's number.
    pub(crate) number: u32,
    wire: Wire,
}

impl Field {
    fn is(self, expected: Wire) -> Result<(), Malformed> {
        if self.wire == expected { Ok(()) } else { Err(Malformed) }
    }
}

/// A name and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Whether the name has an upper-case letter of ASCII.
    pub(crate) shouted: bool,
}

/// How deep messages may nest, as in prost.
const LEVELS: u32 = 100;

/// What of one message has not been read yet.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    levels: u32,
}

impl<'a> Reader<'a> {
    /// The beginning of a message.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message, levels: LEVELS }
    }

    /// The next field's key; none at the message's end.
    pub(crate) fn next(&mut self) -> Result<Option<Field>, Malformed> {
        if self.rest.is_empty() { Ok(None) } else { self.key().map(Some) }
    }

    /// A value that must be a varint.
    pub(crate) fn varint(&mut self, field: Field) -> Result<u64, Malformed> {
        field.is(Wire::Varint)?;
        self.raw_varint()
    }

    /// A value that must be eight bytes.
    pub(crate) fn fixed64(&mut self, field: Field) -> Result<&'a [u8], Malformed> {
        field.is(Wire::Fixed64)?;
        self.take(8)
    }

    /// A value that must be a string of bytes.
    pub(crate) fn bytes(&mut self, field: Field) -> Result<&'a [u8], Malformed> {
        field.is(Wire::Delimited)?;
        let length = self.raw_varint()?;
        self.take(length)
    }

    /// A value that must be text.
    pub(crate) fn text(&mut self, field: Field) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| Malformed)
    }

    /// The same, for whom its bytes will do: nearly every text is ASCII, which is told faster than UTF-8.
    pub(crate) fn text_bytes(&mut self, field: Field) -> Result<&'a [u8], Malformed> {
        let bytes = self.bytes(field)?;
        if scan::is_ascii(bytes) || std::str::from_utf8(bytes).is_ok() { Ok(bytes) } else { Err(Malformed) }
    }

    /// A value that must be a message, to be read to its end.
    pub(crate) fn message(&mut self, field: Field) -> Result<Reader<'a>, Malformed> {
        let rest = self.bytes(field)?;
        Ok(Reader { rest, levels: self.deeper()? })
    }

    /// An entry of a map, to be read to its end. As in prost, it is one whatever wire type its key tells.
    pub(crate) fn entry_message(&mut self) -> Result<Reader<'a>, Malformed> {
        let length = self.raw_varint()?;
        Ok(Reader { rest: self.take(length)?, levels: self.deeper()? })
    }

    /// An entry of a map from text to text; what is left out is empty, and the last of several counts.
    pub(crate) fn entry(&mut self) -> Result<Pair<'a>, Malformed> {
        let mut entry = self.entry_message()?;
        let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
        while let Some(field) = entry.next()? {
            match field.number {
                1 => name = entry.text_bytes(field)?,
                2 => value = entry.text_bytes(field)?,
                _ => entry.skip(field)?,
            }
        }
        Ok(Pair { name, value, shouted: Look::at(name).upper })
    }

    /// The next field, where it has this number and holds a name in its field 1 and text in its field 2, in this
    /// order, all of it ASCII and shorter than 128 bytes: as nearly all are, and far cheaper to read than what
    /// may be. Where it isn't, nothing is read.
    #[inline]
    pub(crate) fn usual_entry(&mut self, number: u8) -> Option<Pair<'a>> {
        let (pair, rest) = self.usual(number, 2)?;
        if !scan::is_ascii(pair.value) {
            return None;
        }
        self.rest = rest;
        Some(pair)
    }

    /// The same for bytes in its field 3, of which there must be some.
    #[inline]
    pub(crate) fn usual_raw_entry(&mut self, number: u8) -> Option<Pair<'a>> {
        let (pair, rest) = self.usual(number, 3)?;
        if pair.value.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(pair)
    }

    /// A value that nobody here knows.
    pub(crate) fn skip(&mut self, field: Field) -> Result<(), Malformed> {
        let deeper = self.deeper()?;
        match field.wire {
            Wire::Varint => self.raw_varint().map(drop),
            Wire::Fixed32 => self.take(4).map(drop),
            Wire::Fixed64 => self.take(8).map(drop),
            Wire::Delimited => self.bytes(field).map(drop),
            Wire::EndGroup => Err(Malformed),
            Wire::StartGroup => self.skip_group(field, deeper),
        }
    }

    /// A group ends with a key of its own number, and has no length in front.
    fn skip_group(&mut self, group: Field, levels: u32) -> Result<(), Malformed> {
        let mut inner = Reader { rest: self.rest, levels };
        loop {
            let field = inner.key()?;
            match field.wire {
                Wire::EndGroup if field.number == group.number => break,
                Wire::EndGroup => return Err(Malformed),
                Wire::Varint | Wire::Fixed32 | Wire::Fixed64 | Wire::Delimited | Wire::StartGroup => {
                    inner.skip(field)?;
                }
            }
        }
        self.rest = inner.rest;
        Ok(())
    }

    /// A message of this number with a name in ASCII and a value in this field, and what is behind it. A length
    /// of two bytes is never taken for one: its first byte is over 127.
    #[inline]
    fn usual(&self, number: u8, value_number: u8) -> Option<(Pair<'a>, &'a [u8])> {
        let (&[key, length, name_key, name_length], rest) = self.rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::from(name_length))?;
        let (&[value_key, value_length], rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(value_length))?;
        let keys = [key, name_key, value_key] == [number, 1, value_number].map(|number| number << 3 | 2);
        let short = (length | name_length | value_length) < 0x80 && self.levels > 0;
        let whole = usize::from(length) == name.len() + value.len() + 4;
        let look = Look::at(name);
        (keys && short && whole && look.ascii).then_some((Pair { name, value, shouted: look.upper }, rest))
    }

    fn deeper(&self) -> Result<u32, Malformed> {
        self.levels.checked_sub(1).ok_or(Malformed)
    }

    fn key(&mut self) -> Result<Field, Malformed> {
        let key = u32::try_from(self.raw_varint()?).map_err(|_| Malformed)?;
        let wire = match key & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Delimited,
            3 => Wire::StartGroup,
            4 => Wire::EndGroup,
            5 => Wire::Fixed32,
            _ => return Err(Malformed),
        };
        match key >> 3 {
            0 => Err(Malformed),
            number => Ok(Field { number, wire }),
        }
    }

    #[inline]
    fn raw_varint(&mut self) -> Result<u64, Malformed> {
        let (&first, rest) = self.rest.split_first().ok_or(Malformed)?;
        if first < 0x80 {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (place, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            // The tenth byte has room for one bit.
            if place == 9 && byte > 1 {
                return Err(Malformed);
            }
            if byte < 0x80 {
                self.rest = &self.rest[place + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Result<u64, Malformed> {
        Reader::new(bytes).raw_varint()
    }

    #[test]
    fn varints_hold_sixty_four_bits_and_no_more() {
        assert_eq!(varint(&[0x96, 0x01]), Ok(150));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&most), Ok(u64::MAX));
        let mut over = most;
        over[9] = 0x02;
        assert_eq!(varint(&over), Err(Malformed));
        assert_eq!(varint(&[0x80; 11]), Err(Malformed));
        assert_eq!(varint(&[0x80]), Err(Malformed));
        assert_eq!(varint(&[]), Err(Malformed));
    }

    #[test]
    fn a_length_past_the_end_is_refused() {
        let mut reader = Reader::new(&[0x0a, 0x05, b'a']);
        let field = reader.next().unwrap().unwrap();
        assert_eq!(reader.bytes(field), Err(Malformed));
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let mut reader = Reader::new(&huge);
        let field = reader.next().unwrap().unwrap();
        assert_eq!(reader.bytes(field), Err(Malformed));
    }

    #[test]
    fn groups_end_with_their_own_number() {
        let mut reader = Reader::new(&[0x0b, 0x10, 0x01, 0x0c, 0x18, 0x07]);
        let field = reader.next().unwrap().unwrap();
        reader.skip(field).unwrap();
        let after = reader.next().unwrap().unwrap();
        assert_eq!((after.number, reader.varint(after)), (3, Ok(7)));
        let mut reader = Reader::new(&[0x0b, 0x14]);
        let field = reader.next().unwrap().unwrap();
        assert_eq!(reader.skip(field), Err(Malformed));
    }

    #[test]
    fn nesting_has_a_bottom() {
        let nested = |levels: usize| [vec![0x0b; levels], vec![0x0c; levels]].concat();
        let skip = |bytes: Vec<u8>| {
            let mut reader = Reader::new(&bytes);
            let field = reader.next().unwrap().unwrap();
            reader.skip(field)
        };
        assert_eq!(skip(nested(100)), Ok(()));
        assert_eq!(skip(nested(101)), Err(Malformed));
    }
}
