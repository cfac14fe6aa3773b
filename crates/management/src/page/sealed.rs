//! Page tokens of lists with an order: base64url without padding of the version and a sealed position. Its text is the
//! identifier in 32 hexadecimal digits and, for an order by value, `n` with a whole number or `t` with a text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_core::error::{RequestError, SystemError};
use latchkey_core::seal::{Sealed, Sealer};
use rand::Rng;
use uuid::Uuid;

use super::{Encoder, foreign, open};
use crate::ports::{OrderValue, Position};

/// Version of sealed page tokens.
const VERSION: u8 = 2;
/// Digits of an identifier.
const ID_DIGITS: usize = 32;

/// Returns the token of the page that follows a position.
pub(crate) fn sealed_token(
    sealer: &Sealer,
    random: &mut dyn Rng,
    position: &Position,
    list: &Encoder,
) -> Result<String, SystemError> {
    let id = position.id.simple();
    let text = match &position.value {
        None => id.to_string(),
        Some(OrderValue::Number(number)) => format!("{id}n{number}"),
        Some(OrderValue::Text(text)) => format!("{id}t{text}"),
    };
    let sealed = sealer.seal(text.as_bytes(), &owner(list), random);
    let sealed = sealed.map_err(|_| SystemError::Internal("a page token could not be sealed".into()))?;
    Ok(URL_SAFE_NO_PAD.encode([&[VERSION], sealed.0.as_slice()].concat()))
}

/// Returns the position after which a page begins, or `None` for the first page. The token must belong to `list`.
pub(crate) fn sealed_cursor(
    sealer: &Sealer,
    token: &str,
    list: &Encoder,
) -> Result<Option<Position>, RequestError> {
    if token.is_empty() {
        return Ok(None);
    }
    let opened = sealer.open(&Sealed(open(token, VERSION)?), &owner(list)).map_err(|_| foreign())?;
    parse(opened.reveal()).map(Some).ok_or_else(foreign)
}

/// Returns the text that binds a token to its list.
fn owner(list: &Encoder) -> String {
    let digest = Encoder::new("latchkey.page_token.v2").bytes(list.as_bytes()).digest();
    format!("page token {}", URL_SAFE_NO_PAD.encode(digest))
}

fn parse(text: &str) -> Option<Position> {
    let (id, value) = text.split_at_checked(ID_DIGITS)?;
    let id = Uuid::try_parse(id).ok()?;
    let value = match value.split_at_checked(1) {
        None => None,
        Some(("n", number)) => Some(OrderValue::Number(number.parse().ok()?)),
        Some(("t", text)) => Some(OrderValue::Text(text.to_owned())),
        Some(_) => return None,
    };
    Some(Position { value, id })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn list(name: &str) -> Encoder {
        Encoder::new("latchkey.test.v1").text(name)
    }

    #[test]
    fn a_sealed_token_holds_for_its_own_list_and_shows_nothing() {
        let (sealer, mut random) = (Sealer::new(&[7; 32]), StdRng::seed_from_u64(1));
        let texts = [None, Some(OrderValue::Number(i64::MIN)), Some(OrderValue::Text("größe\u{0}".into()))];
        for value in texts {
            let position = Position { value, id: Uuid::from_u128(5) };
            let token = sealed_token(&sealer, &mut random, &position, &list("a")).unwrap();
            assert_eq!(sealed_cursor(&sealer, &token, &list("a")), Ok(Some(position.clone())));
            assert!(sealed_cursor(&sealer, &token, &list("b")).is_err());
            assert!(sealed_cursor(&Sealer::new(&[8; 32]), &token, &list("a")).is_err());
            assert!(sealed_cursor(&sealer, &token[..token.len() - 2], &list("a")).is_err());
            let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            assert!(!bytes.windows(16).any(|part| part == position.id.as_bytes()));
        }
        assert_eq!(sealed_cursor(&sealer, "", &list("a")), Ok(None));
    }

    #[test]
    fn a_token_of_an_earlier_version_is_refused_and_says_so() {
        let token = super::super::token(Uuid::nil(), &list("a"));
        let error = sealed_cursor(&Sealer::new(&[7; 32]), &token, &list("a")).unwrap_err();
        let RequestError::InvalidArgument(violations) = error else { panic!("{error:?}") };
        assert!(
            violations[0].description.starts_with("has version 1, and this list has tokens of version 2")
        );
    }
}
