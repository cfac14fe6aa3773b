//! Scanning of short texts, eight bytes at a time. Names and values of headers have about twelve bytes, which is too
//! short for the methods that are fast for long texts, and every message has about forty of them.

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const SECOND_BITS: u64 = HIGH_BITS >> 1;

/// Properties of the bytes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteClass {
    /// True if every byte is ASCII.
    pub(crate) ascii: bool,
    /// True if any byte is an upper-case ASCII letter.
    pub(crate) upper: bool,
}

impl ByteClass {
    /// Scans a text.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        let (mut high, mut candidates) = (0, 0);
        each_word(text, |word| {
            high |= word;
            candidates |= word & !(word << 1);
        });
        // Upper-case letters, and few other bytes, have the second bit and not the third.
        let upper = candidates & SECOND_BITS != 0 && text.iter().any(u8::is_ascii_uppercase);
        Self { ascii: high & HIGH_BITS == 0, upper }
    }
}

/// Returns true if every byte is ASCII.
#[inline]
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    let mut high = 0;
    each_word(text, |word| high |= word);
    high & HIGH_BITS == 0
}

/// Calls `visit` with all bytes of a text, in words of eight bytes. Some bytes can be visited twice; a text of fewer
/// than eight bytes is padded with zeros.
#[inline]
fn each_word(text: &[u8], mut visit: impl FnMut(u64)) {
    let Some(last) = text.last_chunk() else { return visit(load_short(text)) };
    visit(u64::from_le_bytes(*last));
    for word in text.as_chunks().0 {
        visit(u64::from_le_bytes(*word));
    }
}

/// Returns a text of fewer than eight bytes as a word, padded with zeros at the end.
#[inline]
fn load_short(text: &[u8]) -> u64 {
    match (text.first_chunk(), text.last_chunk()) {
        // Bytes in the middle are in both halves and land at the same position, so that `|` keeps them.
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first))
                | u64::from(u32::from_le_bytes(*last)) << (8 * (text.len() - 4))
        }
        (None, _) | (_, None) => text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_byte_counts_at_every_position(text in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(is_ascii(&text), text.is_ascii());
            let expected = ByteClass { ascii: text.is_ascii(), upper: text.iter().any(u8::is_ascii_uppercase) };
            prop_assert_eq!(ByteClass::of(&text), expected);
        }

        #[test]
        fn one_odd_byte_is_enough(length in 1usize..40, at: prop::sample::Index, byte: u8) {
            let mut text = vec![b'a'; length];
            text[at.index(length)] = byte;
            prop_assert_eq!(is_ascii(&text), byte.is_ascii());
            let expected = ByteClass { ascii: byte.is_ascii(), upper: byte.is_ascii_uppercase() };
            prop_assert_eq!(ByteClass::of(&text), expected);
        }
    }

    #[test]
    fn a_short_text_is_padded_with_zeros() {
        for length in 0..8u8 {
            let text: Vec<u8> = (1..=length).collect();
            let mut padded = text.clone();
            padded.resize(8, 0);
            assert_eq!(load_short(&text).to_le_bytes(), padded[..]);
        }
    }

    #[test]
    fn an_empty_text_is_ascii_without_upper_case() {
        assert_eq!(ByteClass::of(b""), ByteClass { ascii: true, upper: false });
        assert!(is_ascii(b""));
    }
}
