//! Pages of a list. A page token names the last entry of a page and is valid only for the list that it comes from
//! (its tenant and its filter). It is base64url without padding of a version byte and the content of that version:
//! version 1 has a position (16 bytes, big-endian) and the first 8 bytes of the SHA-256 of the position and the
//! list.
//!
//! A list whose entries move has tokens of the same version that hold an offset instead (4 bytes, big-endian).
//!
//! A list that callers can order and filter has tokens of version 2: a position, sealed with the master key and bound to
//! the list. The position can be that of an entry that the caller may not see, so its content must stay secret.

mod sealed;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_core::error::RequestError;
use uuid::Uuid;

pub(super) use self::sealed::{sealed_cursor, sealed_token};
use super::encoding::Encoder;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Entries in the order of the list. There can be fewer than the page has room for, and still a next page.
    pub items: Vec<T>,
    /// Token for the next page; empty on the last page.
    pub next: String,
}

const DEFAULT_SIZE: u32 = 100;
const LARGEST_SIZE: i32 = 1_000;

/// Version of the page tokens of lists with a fixed order.
const VERSION: u8 = 1;
const CHECK_LENGTH: usize = 8;

/// Returns the number of entries for a requested page size: 1 to 1,000, or 100 for 0.
pub(super) fn size(requested: i32) -> Result<u32, RequestError> {
    match requested {
        0 => Ok(DEFAULT_SIZE),
        1..=LARGEST_SIZE => Ok(u32::try_from(requested).unwrap_or(DEFAULT_SIZE)),
        _ => {
            let text =
                format!("{requested} is out of bounds: write 1 to {LARGEST_SIZE}, or 0 for {DEFAULT_SIZE}");
            Err(RequestError::field("page_size", text))
        }
    }
}

/// Returns the position after which a page begins, or `None` for the first page. The token must belong to `list`.
pub(super) fn cursor(token: &str, list: &Encoder) -> Result<Option<Uuid>, RequestError> {
    if token.is_empty() {
        return Ok(None);
    }
    let content = open(token, VERSION)?;
    let (id, check) = content.split_first_chunk::<16>().ok_or_else(foreign)?;
    let id = Uuid::from_bytes(*id);
    if check == check_of(id, list) { Ok(Some(id)) } else { Err(foreign()) }
}

/// Returns the token of the page that follows a position.
pub(super) fn token(position: Uuid, list: &Encoder) -> String {
    close(&[position.as_bytes().as_slice(), &check_of(position, list)].concat())
}

/// Returns the offset that a token of a list with moving entries holds; 0 for no token.
pub(super) fn offset(token: &str) -> Result<u64, RequestError> {
    if token.is_empty() {
        return Ok(0);
    }
    let content: [u8; 4] = open(token, VERSION)?.try_into().map_err(|_| foreign())?;
    Ok(u64::from(u32::from_be_bytes(content)))
}

/// Returns the token of an offset. An offset beyond 32 bits is never reached.
pub(super) fn offset_token(offset: u64) -> String {
    close(&u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes())
}

fn foreign() -> RequestError {
    RequestError::field("page_token", "is not a token of this list")
}

/// Returns the content of a token after its version, which must be the expected one.
fn open(token: &str, expected: u8) -> Result<Vec<u8>, RequestError> {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
    match bytes.first() {
        Some(&version) if version == expected => Ok(bytes.split_off(1)),
        Some(version) => {
            let text = format!(
                "has version {version}, and this list has tokens of version {expected}: list again from the first page"
            );
            Err(RequestError::field("page_token", text))
        }
        None => Err(foreign()),
    }
}

fn close(content: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([&[VERSION], content].concat())
}

fn check_of(id: Uuid, list: &Encoder) -> [u8; CHECK_LENGTH] {
    let digest = Encoder::new("latchkey.page_token.v1").bytes(id.as_bytes()).bytes(list.as_bytes()).digest();
    *digest.first_chunk().unwrap_or(&[0; CHECK_LENGTH])
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str) -> Encoder {
        Encoder::new("latchkey.test.v1").text(name)
    }

    fn rejected<T: std::fmt::Debug>(read: Result<T, RequestError>) -> String {
        match read.unwrap_err() {
            RequestError::InvalidArgument(violations) => {
                let [violation] = <[_; 1]>::try_from(violations).unwrap();
                assert_eq!(violation.field, "page_token");
                violation.description
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_holds_for_its_own_list_alone() {
        let id = Uuid::from_u128(2);
        let next = token(id, &list("a"));
        assert_eq!(cursor(&next, &list("a")), Ok(Some(id)));
        assert!(cursor(&next, &list("b")).is_err());
        assert!(cursor(&next[1..], &list("a")).is_err());
        assert!(cursor(&next[..20], &list("a")).is_err());
        assert!(cursor("é".repeat(40).as_str(), &list("a")).is_err());
        assert!(offset(&next).is_err());
        assert!(cursor(&offset_token(7), &list("a")).is_err());
    }

    #[test]
    fn the_bytes_of_a_token_stay() {
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(token(id, &list("a")), "AQGQAAAAAHAAgAAAAAAAAAHUcdM5UcGvkg");
        assert_eq!(offset_token(100), "AQAAAGQ");
    }

    #[test]
    fn an_offset_comes_back() {
        assert_eq!(offset(""), Ok(0));
        assert_eq!(offset(&offset_token(100)), Ok(100));
        for token in ["100", "AQAAAGR=", "AQAAAGQA", "AQ", "!", " AQAAAGQ"] {
            assert!(offset(token).is_err(), "{token}");
        }
    }

    #[test]
    fn a_token_of_an_unknown_version_is_refused_and_says_so() {
        let expected = "has version 2, and this list has tokens of version 1: list again from the first page";
        let mut bytes = vec![2];
        bytes.extend([0; 24]);
        assert_eq!(rejected(cursor(&URL_SAFE_NO_PAD.encode(bytes), &list("a"))), expected);
        assert_eq!(rejected(offset(&URL_SAFE_NO_PAD.encode([2, 0, 0, 0, 1]))), expected);
        assert_eq!(rejected(offset("x")), "is not a token of this list");
    }
}
