//! Reader of protobuf that borrows from a slice. It applies the same rules as prost: varints of at most ten bytes,
//! text in UTF-8, the wire type of each known field, at most 100 levels of nesting. No message can make it panic,
//! allocate or read a byte twice.

mod common_case;

pub(crate) use self::common_case::NameValue;
use super::scan::{self, ByteClass};

/// Error for bytes that are not a message of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireError;

/// Wire type of a field (protobuf encoding, "Message Structure").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    Delimited,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// Key of a field: its number and wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Number of the field.
    pub(crate) number: u32,
    wire_type: WireType,
}

/// Wire types, indexed by the lower three bits of a key.
const WIRE_TYPES: [Option<WireType>; 8] = [
    Some(WireType::Varint),
    Some(WireType::Fixed64),
    Some(WireType::Delimited),
    Some(WireType::StartGroup),
    Some(WireType::EndGroup),
    Some(WireType::Fixed32),
    None,
    None,
];

impl Field {
    fn expect_wire_type(self, expected: WireType) -> Result<(), WireError> {
        if self.wire_type == expected { Ok(()) } else { Err(WireError) }
    }
}

/// Largest depth of nested messages, as in prost.
const MAX_DEPTH: u32 = 100;

/// Rest of a message that has not been read yet.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    depth_budget: u32,
}

impl<'a> Reader<'a> {
    /// Creates a reader at the start of a message.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message, depth_budget: MAX_DEPTH }
    }

    /// Reads the next field's key, or returns `None` at the end of the message.
    pub(crate) fn next(&mut self) -> Result<Option<Field>, WireError> {
        if self.rest.is_empty() { Ok(None) } else { self.key().map(Some) }
    }

    /// Reads a value that must be a varint.
    pub(crate) fn varint(&mut self, field: Field) -> Result<u64, WireError> {
        field.expect_wire_type(WireType::Varint)?;
        self.raw_varint()
    }

    /// Reads a value that must have eight bytes.
    pub(crate) fn fixed64(&mut self, field: Field) -> Result<&'a [u8], WireError> {
        field.expect_wire_type(WireType::Fixed64)?;
        self.take(8)
    }

    /// Reads a value that must be length-delimited.
    pub(crate) fn bytes(&mut self, field: Field) -> Result<&'a [u8], WireError> {
        field.expect_wire_type(WireType::Delimited)?;
        let length = self.raw_varint()?;
        self.take(length)
    }

    /// Reads a value that must be UTF-8.
    pub(crate) fn text(&mut self, field: Field) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| WireError)
    }

    /// Reads a value that must be UTF-8 and returns its bytes. Nearly every text is ASCII, which is checked faster
    /// than UTF-8.
    pub(crate) fn text_bytes(&mut self, field: Field) -> Result<&'a [u8], WireError> {
        let bytes = self.bytes(field)?;
        if scan::is_ascii(bytes) || std::str::from_utf8(bytes).is_ok() { Ok(bytes) } else { Err(WireError) }
    }

    /// Returns a reader of a value that must be a message. The caller must read it to its end.
    pub(crate) fn message(&mut self, field: Field) -> Result<Reader<'a>, WireError> {
        let rest = self.bytes(field)?;
        Ok(Reader { rest, depth_budget: self.descend()? })
    }

    /// Returns a reader of an entry of a map. The caller must read it to its end. As in prost, the wire type of the
    /// key is ignored.
    pub(crate) fn entry_message(&mut self) -> Result<Reader<'a>, WireError> {
        let length = self.raw_varint()?;
        Ok(Reader { rest: self.take(length)?, depth_budget: self.descend()? })
    }

    /// Reads an entry of a map from text to text. An absent name or value is empty, and the last of several counts.
    pub(crate) fn entry(&mut self) -> Result<NameValue<'a>, WireError> {
        let mut entry = self.entry_message()?;
        let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
        while let Some(field) = entry.next()? {
            match field.number {
                1 => name = entry.text_bytes(field)?,
                2 => value = entry.text_bytes(field)?,
                _ => entry.skip(field)?,
            }
        }
        Ok(NameValue { name, value, has_uppercase: ByteClass::of(name).upper })
    }

    /// Skips the value of an unknown field.
    pub(crate) fn skip(&mut self, field: Field) -> Result<(), WireError> {
        let inner_budget = self.descend()?;
        match field.wire_type {
            WireType::Varint => self.raw_varint().map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Delimited => self.bytes(field).map(drop),
            WireType::EndGroup => Err(WireError),
            WireType::StartGroup => self.skip_group(field, inner_budget),
        }
    }

    /// Skips a group, which has no length and ends with a key of its own number.
    fn skip_group(&mut self, group: Field, depth_budget: u32) -> Result<(), WireError> {
        let mut inner = Reader { rest: self.rest, depth_budget };
        loop {
            let field = inner.key()?;
            match field.wire_type {
                WireType::EndGroup if field.number == group.number => break,
                WireType::EndGroup => return Err(WireError),
                WireType::Varint
                | WireType::Fixed32
                | WireType::Fixed64
                | WireType::Delimited
                | WireType::StartGroup => {
                    inner.skip(field)?;
                }
            }
        }
        self.rest = inner.rest;
        Ok(())
    }

    fn descend(&self) -> Result<u32, WireError> {
        self.depth_budget.checked_sub(1).ok_or(WireError)
    }

    fn key(&mut self) -> Result<Field, WireError> {
        let key = u32::try_from(self.raw_varint()?).map_err(|_| WireError)?;
        match (key >> 3, WIRE_TYPES[(key & 7) as usize]) {
            (number @ 1.., Some(wire_type)) => Ok(Field { number, wire_type }),
            (0, _) | (_, None) => Err(WireError),
        }
    }

    #[inline]
    fn raw_varint(&mut self) -> Result<u64, WireError> {
        let (&first, rest) = self.rest.split_first().ok_or(WireError)?;
        if first < 0x80 {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        // Lengths of the messages that contain the others.
        if let Some((&second @ ..0x80, rest)) = rest.split_first() {
            self.rest = rest;
            return Ok(u64::from(first & 0x7f) | u64::from(second) << 7);
        }
        self.long_varint()
    }

    #[cold]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            // The tenth byte has room for one bit.
            if index == 9 && byte > 1 {
                return Err(WireError);
            }
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(WireError)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(length).map_err(|_| WireError)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Result<u64, WireError> {
        Reader::new(bytes).raw_varint()
    }

    #[test]
    fn varints_have_at_most_64_bits() {
        assert_eq!(varint(&[0x96, 0x01]), Ok(150));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&most), Ok(u64::MAX));
        let mut over = most;
        over[9] = 0x02;
        assert_eq!(varint(&over), Err(WireError));
        assert_eq!(varint(&[0x80; 11]), Err(WireError));
        assert_eq!(varint(&[0x80]), Err(WireError));
        assert_eq!(varint(&[]), Err(WireError));
    }

    #[test]
    fn a_length_past_the_end_is_rejected() {
        let mut reader = Reader::new(&[0x0a, 0x05, b'a']);
        let field = reader.next().unwrap().unwrap();
        assert_eq!(reader.bytes(field), Err(WireError));
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let mut reader = Reader::new(&huge);
        let field = reader.next().unwrap().unwrap();
        assert_eq!(reader.bytes(field), Err(WireError));
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
        assert_eq!(reader.skip(field), Err(WireError));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        let skip = |bytes: Vec<u8>| {
            let mut reader = Reader::new(&bytes);
            let field = reader.next().unwrap().unwrap();
            reader.skip(field)
        };
        assert_eq!(skip(nested(100)), Ok(()));
        assert_eq!(skip(nested(101)), Err(WireError));
    }
}
