//! Checks the parts of a message that nobody looks at. prost would refuse a message whose certificate is
//! not UTF-8 even where no one reads certificates, and so do we: one message has one meaning, whoever reads it.

use super::reader::{Field, Malformed, Reader};

/// What the value of a known field must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldType {
    /// A number, a flag or an enumeration.
    Varint,
    /// A double.
    Fixed64,
    /// UTF-8.
    Text,
    /// Anything.
    Bytes,
    /// A message.
    Message(&'static Schema),
    /// An entry of a map.
    Entry(&'static Schema),
}

/// The known fields of a message, by number; no number of theirs is over 13.
#[derive(Debug)]
pub(crate) struct Schema([Option<FieldType>; 14]);

impl Schema {
    /// A message of these fields.
    pub(crate) const fn new<const N: usize>(fields: [(usize, FieldType); N]) -> Self {
        let (mut known, mut next) = ([None; 14], 0);
        while next < N {
            let (number, field_type) = fields[next];
            known[number] = Some(field_type);
            next += 1;
        }
        Self(known)
    }

    /// Reads a whole message for its form alone.
    pub(crate) fn check(&self, mut message: Reader<'_>) -> Result<(), Malformed> {
        while let Some(field) = message.next()? {
            self.check_field(&mut message, field)?;
        }
        Ok(())
    }

    /// Reads one field for its form alone; a number that isn't here is skipped.
    pub(crate) fn check_field(&self, message: &mut Reader<'_>, field: Field) -> Result<(), Malformed> {
        match self.0.get(field.number as usize).copied().flatten() {
            None => message.skip(field),
            Some(FieldType::Varint) => message.varint(field).map(drop),
            Some(FieldType::Fixed64) => message.fixed64(field).map(drop),
            Some(FieldType::Text) => message.text_bytes(field).map(drop),
            Some(FieldType::Bytes) => message.bytes(field).map(drop),
            Some(FieldType::Message(schema)) => schema.check(message.message(field)?),
            Some(FieldType::Entry(schema)) => schema.check(message.entry_message()?),
        }
    }
}
