//! Explicit encoding of requests, for idempotency fingerprints and page tokens. Stored and issued values are made
//! of these bytes, so they must not depend on names in the code: every value starts with a domain that carries a
//! version, and its fields follow in a fixed order.
//!
//! Whole numbers are big-endian with 8 bytes. Texts, byte strings, sets and maps start with their length or number of
//! entries. A new field, another order or another meaning needs a new version in the domain.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

/// Bytes of a value, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    /// Starts a value of a domain, which names the kind of value and its version: `latchkey.create_key.v1`.
    pub(super) fn new(domain: &str) -> Self {
        Self(Vec::new()).text(domain)
    }

    /// Appends a whole number.
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends a whole number that may be negative, in two's complement.
    pub(super) fn signed(self, number: i64) -> Self {
        self.number(number.cast_unsigned())
    }

    /// Appends a text in UTF-8.
    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Appends a byte string.
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut this = self.length(bytes.len());
        this.0.extend_from_slice(bytes);
        this
    }

    /// Appends 0 for a value that is absent; 1 and the value otherwise.
    pub(super) fn optional<T>(self, value: Option<T>, encode: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.number(0),
            Some(value) => encode(self.number(1), value),
        }
    }

    /// Appends texts whose order counts.
    pub(super) fn list(self, texts: &[String]) -> Self {
        texts.iter().fold(self.length(texts.len()), |this, text| this.text(text))
    }

    /// Appends texts whose order and number do not count: sorted by their bytes, each once.
    pub(super) fn set(self, texts: &[String]) -> Self {
        let sorted: BTreeSet<&String> = texts.iter().collect();
        sorted.iter().fold(self.length(sorted.len()), |this, text| this.text(text))
    }

    /// Appends names with texts, sorted by the bytes of the names.
    pub(super) fn map(self, map: &BTreeMap<String, String>) -> Self {
        map.iter().fold(self.length(map.len()), |this, (name, text)| this.text(name).text(text))
    }

    /// Returns the bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns SHA-256 of the bytes in hexadecimal digits, for tests that pin them.
    #[cfg(test)]
    pub(super) fn hex(&self) -> String {
        hex(&self.digest())
    }

    /// Returns SHA-256 of the bytes.
    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    fn length(self, length: usize) -> Self {
        self.number(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

/// Returns bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    #[test]
    fn the_bytes_of_each_form_stay() {
        let map = BTreeMap::from([("b", "2"), ("a", "")].map(|(n, t)| (n.to_owned(), t.to_owned())));
        let value = Encoder::new("d.v1")
            .number(258)
            .signed(-1)
            .text("é")
            .optional(None, Encoder::number)
            .optional(Some(5), Encoder::number)
            .list(&texts(["y", "x"]))
            .set(&texts(["y", "x", "y"]))
            .map(&map);
        let expected: [&[u8]; 13] = [
            b"\0\0\0\0\0\0\0\x04d.v1",
            b"\0\0\0\0\0\0\x01\x02",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\0\0\0\0\x02\xc3\xa9",
            b"\0\0\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x05",
            b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01y\0\0\0\0\0\0\0\x01x",
            b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01x\0\0\0\0\0\0\0\x01y",
            b"\0\0\0\0\0\0\0\x02",
            b"\0\0\0\0\0\0\0\x01a",
            b"\0\0\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\x01b",
            b"\0\0\0\0\0\0\0\x012",
        ];
        assert_eq!(value.as_bytes(), expected.concat());
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        assert_ne!(Encoder::new("d").text("ab").text("c"), Encoder::new("d").text("a").text("bc"));
        assert_ne!(
            Encoder::new("d").list(&texts(["a"])).text("b"),
            Encoder::new("d").list(&texts(["a", "b"]))
        );
    }
}
