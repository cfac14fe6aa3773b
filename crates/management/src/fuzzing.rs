//! Fuzz targets of this crate: a function of arbitrary bytes that panics if a property does not hold.

use std::sync::LazyLock;

use latchkey_core::seal::Sealer;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::encoding::Encoder;
use crate::page::{cursor, offset, offset_token, sealed_cursor, sealed_token, token};
use crate::ports::{OrderValue, Position};

static LIST: LazyLock<Encoder> = LazyLock::new(|| Encoder::new("latchkey.fuzz.v1"));
static SEALER: LazyLock<Sealer> = LazyLock::new(|| Sealer::new(&[7; 32]));

/// Reads a text as a page token of each version, and seals the text as a position.
///
/// # Panics
///
/// Panics if a token is accepted that is not exactly the token of the position that it is read as, or if a sealed
/// position does not come back.
pub fn page_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match cursor(text, &LIST) {
        Ok(Some(position)) => assert_eq!(token(position, &LIST), text),
        Ok(None) => assert_eq!(text, ""),
        Err(_) => {}
    }
    if let Ok(position) = offset(text) {
        assert!(text.is_empty() || offset_token(position) == text, "{text:?} is read as {position}");
    }
    // No token of the corpus is sealed with this key, so that an accepted one is forged.
    assert!(!matches!(sealed_cursor(&SEALER, text, &LIST), Ok(Some(_))), "{text:?} is accepted");
    let value = match text.parse() {
        Ok(number) => Some(OrderValue::Number(number)),
        Err(_) if text.is_empty() => None,
        Err(_) => Some(OrderValue::Text(text.to_owned())),
    };
    let position = Position { value, id: Uuid::from_u128(5) };
    let mut random = StdRng::seed_from_u64(1);
    let sealed = sealed_token(&SEALER, &mut random, &position, &LIST);
    let read = sealed_cursor(&SEALER, &sealed.expect("a position can be sealed"), &LIST);
    assert_eq!(read, Ok(Some(position)));
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_page_tokens_is_read_as_it_was_made() {
    replay::replay("page_token", page_token);
}
