//! Fast reading of the most common form of a name with a value: short, in ASCII, with the name first. A request has
//! about twenty headers, and recognizing this form costs less than the general reader. Any other form is left for the
//! general reader, which also rejects malformed messages.

use super::Reader;
use crate::wire::scan::{self, ByteClass};
use crate::wire::writer::Writer;

/// Name with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameValue<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// True if the name has an upper-case ASCII letter.
    pub(crate) has_uppercase: bool,
}

impl<'a> Reader<'a> {
    /// Reads the next field if it has this number and contains a name in field 1 and text in field 2, in this order,
    /// all in ASCII and shorter than 128 bytes. Otherwise returns `None` and reads nothing.
    #[inline]
    pub(crate) fn common_case_entry(&mut self, number: u8) -> Option<NameValue<'a>> {
        let (pair, rest) = self.common_case(number, 2)?;
        if !scan::is_ascii(pair.value) {
            return None;
        }
        self.rest = rest;
        Some(pair)
    }

    /// Reads the next field if it has this number and contains a name in field 1 and non-empty bytes in field 3, as
    /// `common_case_entry` does for text.
    #[inline]
    pub(crate) fn common_case_raw_entry(&mut self, number: u8) -> Option<NameValue<'a>> {
        let (pair, rest) = self.common_case(number, 3)?;
        if pair.value.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(pair)
    }

    /// Returns the name and value of a message with this number that is shorter than 128 bytes, and the bytes after
    /// it. The name must be ASCII, and the value must be in field `value_number`.
    ///
    /// Each part is shorter than 128 bytes too, so that a length of two bytes, whose first byte is over 127, is never
    /// read as a length of one byte.
    #[inline]
    fn common_case(&self, number: u8, value_number: u8) -> Option<(NameValue<'a>, &'a [u8])> {
        let (&[key, length @ 0..0x80], rest) = self.rest.split_first_chunk()? else { return None };
        if key != Writer::delimited_key(number) || self.depth_budget == 0 {
            return None;
        }
        let (entry, rest) = rest.split_at_checked(usize::from(length))?;
        let (&[name_key, length], entry) = entry.split_first_chunk()?;
        let (name, entry) = entry.split_at_checked(usize::from(length))?;
        let (&[value_key, length], value) = entry.split_first_chunk()?;
        let class = ByteClass::of(name);
        let keys = [name_key, value_key] == [1, value_number].map(Writer::delimited_key);
        let complete = value.len() == usize::from(length) && class.ascii;
        (keys && complete).then_some((NameValue { name, value, has_uppercase: class.upper }, rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding::encode_varint;

    use super::*;

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![Writer::delimited_key(number)];
        encode_varint(value.len() as u64, &mut out);
        out.extend_from_slice(value);
        out
    }

    proptest! {
        #[test]
        fn the_common_case_is_read_and_any_other_form_is_left(
            name in "[a-zA-Z\\PC]{0,9}", value in "[a-z\\PC]{0,200}", raw: bool, more in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let number = if raw { 3 } else { 2 };
            let entry = [field(1, name.as_bytes()), field(number, value.as_bytes())].concat();
            let message = [field(3, &entry), more.clone()].concat();
            let mut reader = Reader::new(&message);
            let fast = if raw { reader.common_case_raw_entry(3) } else { reader.common_case_entry(3) };
            let short = name.is_ascii() && entry.len() < 0x80;
            let expected = short && if raw { !value.is_empty() } else { value.is_ascii() };
            prop_assert_eq!(fast.is_some(), expected);
            if let Some(pair) = fast {
                let has_uppercase = name.bytes().any(|byte| byte.is_ascii_uppercase());
                prop_assert_eq!(pair, NameValue { name: name.as_bytes(), value: value.as_bytes(), has_uppercase });
                prop_assert_eq!(reader.rest, &more[..]);
            } else {
                prop_assert_eq!(reader.rest, &message[..]);
            }
        }

        #[test]
        fn a_wrong_byte_anywhere_means_the_same_as_for_the_general_reader(
            name in "[a-zA-Z]{0,5}", value in "[a-z]{0,5}", at: prop::sample::Index,
            byte in prop_oneof![2 => 0u8..6, 1 => 0u8..32, 1 => any::<u8>()], raw in prop::bool::weighted(0.2),
        ) {
            let number = if raw { 3 } else { 2 };
            let mut message = field(3, &[field(1, name.as_bytes()), field(number, value.as_bytes())].concat());
            let at = at.index(message.len());
            message[at] = byte;
            let (mut fast, mut general) = (Reader::new(&message), Reader::new(&message));
            if let Some(pair) = fast.common_case_entry(3) {
                prop_assert_eq!(general.next().map(|field| field.map(|field| field.number)), Ok(Some(3)));
                prop_assert_eq!(general.entry(), Ok(pair));
                prop_assert_eq!(fast.rest, general.rest);
            }
        }
    }
}
