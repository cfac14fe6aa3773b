//! Validation of the parts of a message that are not used. prost rejects a message whose certificate is not UTF-8
//! even if the certificate is never read, and so does this crate: a message must mean the same to every reader.

use super::reader::{Field, Reader, WireError};

/// Type of a known field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldType {
    /// Integer, bool or enum.
    Varint,
    /// Double.
    Fixed64,
    /// String, which must be UTF-8.
    Text,
    /// Bytes, without any restriction.
    Bytes,
    /// Message with this schema.
    Message(&'static Schema),
    /// Entry of a map, with this schema.
    Entry(&'static Schema),
}

/// Known fields of a message, indexed by number. The largest number is 13.
#[derive(Debug)]
pub(crate) struct Schema([Option<FieldType>; 14]);

impl Schema {
    /// Creates a schema from field numbers and types.
    pub(crate) const fn new<const N: usize>(fields: [(usize, FieldType); N]) -> Self {
        let (mut known, mut next) = ([None; 14], 0);
        while next < N {
            let (number, field_type) = fields[next];
            known[number] = Some(field_type);
            next += 1;
        }
        Self(known)
    }

    /// Validates a whole message.
    pub(crate) fn check(&self, mut message: Reader<'_>) -> Result<(), WireError> {
        while let Some(field) = message.next()? {
            self.check_field(&mut message, field)?;
        }
        Ok(())
    }

    /// Validates one field. The value of an unknown number is skipped.
    pub(crate) fn check_field(&self, message: &mut Reader<'_>, field: Field) -> Result<(), WireError> {
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
