//! Looks through short texts eight bytes at a time. Names and values of headers are a dozen bytes long, too
//! short for the ways that pay for long texts, and there are some forty of them in every message.

const HIGH: u64 = 0x8080_8080_8080_8080;
const LOW: u64 = !HIGH;
const EACH: u64 = 0x0101_0101_0101_0101;

/// Whether every byte is ASCII.
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    words(text).fold(0, |seen, word| seen | word) & HIGH == 0
}

/// Whether any byte is an upper-case letter of ASCII.
pub(crate) fn has_upper(text: &[u8]) -> bool {
    words(text).fold(0, |seen, word| seen | upper(word)) != 0
}

/// Twelve bits of a name, by its length and the bytes at both of its ends.
pub(crate) fn mark(name: &[u8]) -> u16 {
    let (first, last) = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        (None, _) | (_, None) => (short(name), 0),
    };
    let mixed = (first.rotate_left(29) ^ last ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [high, low, ..] = mixed.to_be_bytes();
    u16::from_be_bytes([high, low]) >> 4
}

/// All of a text's bytes, some of them twice, and zeros where there are fewer than eight.
fn words(text: &[u8]) -> impl Iterator<Item = u64> {
    let last = match text.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => short(text),
    };
    text.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).chain([last])
}

/// Fewer than eight bytes, and zeros behind them.
fn short(text: &[u8]) -> u64 {
    text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The high bit of each byte that is an upper-case letter. No byte's sum runs over into the next one's.
fn upper(word: u64) -> u64 {
    let low = word & LOW;
    let from_a = low + EACH * u64::from(0x80 - b'A');
    let past_z = low + EACH * u64::from(0x7f - b'Z');
    from_a & !past_z & !word & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_seen_wherever_they_stand(text in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(is_ascii(&text), text.is_ascii());
            prop_assert_eq!(has_upper(&text), text.iter().any(u8::is_ascii_uppercase));
        }

        #[test]
        fn one_odd_byte_is_enough(length in 1usize..40, at: prop::sample::Index, byte: u8) {
            let mut text = vec![b'a'; length];
            text[at.index(length)] = byte;
            prop_assert_eq!(is_ascii(&text), byte.is_ascii());
            prop_assert_eq!(has_upper(&text), byte.is_ascii_uppercase());
        }
    }

    #[test]
    fn nothing_has_nothing() {
        assert!(is_ascii(b"") && !has_upper(b""));
    }
}
