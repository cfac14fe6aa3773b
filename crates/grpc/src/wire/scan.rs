//! Looks through short texts eight bytes at a time. Names and values of headers are a dozen bytes long, too
//! short for the ways that pay for long texts, and there are some forty of them in every message.

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const LOW_BITS: u64 = !HIGH_BITS;
const ONES: u64 = 0x0101_0101_0101_0101;

/// What a text's bytes are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteClass {
    /// Whether every one is ASCII.
    pub(crate) ascii: bool,
    /// Whether any one is an upper-case letter of ASCII.
    pub(crate) upper: bool,
}

impl ByteClass {
    /// Looks at every byte once.
    pub(crate) fn of(text: &[u8]) -> Self {
        let (mut high, mut letters) = (0, 0);
        each_word(text, |word| {
            high |= word;
            letters |= uppercase_mask(word);
        });
        Self { ascii: high & HIGH_BITS == 0, upper: letters != 0 }
    }
}

/// Whether every byte is ASCII.
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    let mut high = 0;
    each_word(text, |word| high |= word);
    high & HIGH_BITS == 0
}

/// Shows all of a text's bytes, some of them twice, and zeros where there are fewer than eight.
#[inline]
fn each_word(text: &[u8], mut visit: impl FnMut(u64)) {
    let Some(last) = text.last_chunk() else { return visit(load_short(text)) };
    visit(u64::from_le_bytes(*last));
    for word in text.as_chunks().0 {
        visit(u64::from_le_bytes(*word));
    }
}

/// Fewer than eight bytes, and zeros behind them.
#[inline]
fn load_short(text: &[u8]) -> u64 {
    match (text.first_chunk(), text.last_chunk()) {
        // The bytes in the middle are in both, and fall on themselves.
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first))
                | u64::from(u32::from_le_bytes(*last)) << (8 * (text.len() - 4))
        }
        (None, _) | (_, None) => text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The high bit of each byte that is an upper-case letter. No byte's sum runs over into the next one's.
fn uppercase_mask(word: u64) -> u64 {
    let low = word & LOW_BITS;
    let from_a = low + ONES * u64::from(0x80 - b'A');
    let past_z = low + ONES * u64::from(0x7f - b'Z');
    from_a & !past_z & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_seen_wherever_they_stand(text in prop::collection::vec(any::<u8>(), 0..40)) {
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
    fn a_short_text_is_itself() {
        for length in 0..8u8 {
            let text: Vec<u8> = (1..=length).collect();
            let mut padded = text.clone();
            padded.resize(8, 0);
            assert_eq!(load_short(&text).to_le_bytes(), padded[..]);
        }
    }

    #[test]
    fn nothing_has_nothing() {
        assert_eq!(ByteClass::of(b""), ByteClass { ascii: true, upper: false });
        assert!(is_ascii(b""));
    }
}
