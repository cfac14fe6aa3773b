//! Properties of page tokens for arbitrary input: none panics, and a changed token is refused.

use base64::Engine as _;
use proptest::prelude::*;

use super::*;

fn list() -> Encoder {
    Encoder::new("latchkey.test.v1").text("list")
}

proptest! {
    #[test]
    fn a_token_is_read_as_it_was_made_and_no_other(id in any::<u128>(), flipped in 0..43usize, by in 1..64u8) {
        let id = Uuid::from_u128(id);
        let token = token(id, &list());
        prop_assert_eq!(cursor(&token, &list()), Ok(Some(id)));
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut other = token.clone().into_bytes();
        let place = flipped % other.len();
        let value = alphabet.iter().position(|symbol| *symbol == other[place]).unwrap();
        other[place] = alphabet[(value + usize::from(by)) % 64];
        let other = String::from_utf8(other).unwrap();
        prop_assert!(cursor(&other, &list()).is_err(), "{}", other);
    }

    #[test]
    fn an_offset_is_read_as_it_was_made(offset_of in any::<u32>()) {
        prop_assert_eq!(offset(&offset_token(offset_of.into())), Ok(u64::from(offset_of)));
    }

    #[test]
    fn any_token_never_panics(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for token in [text, URL_SAFE_NO_PAD.encode(bytes)] {
            let _ = (cursor(&token, &list()), offset(&token));
        }
    }
}
