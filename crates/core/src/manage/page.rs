//! Pages of a list. A page token names the last thing of a page; it holds for the very list that it came
//! from (tenant and filter), and means nothing to any other.

use uuid::Uuid;

use crate::secret::KeyHash;
use crate::trouble::Refusal;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// For the next part; empty: this was the last.
    pub next: String,
}

const DEFAULT_SIZE: u32 = 100;
const LARGEST_SIZE: i32 = 1_000;

/// How many a page is to have.
pub(super) fn size(asked: i32) -> Result<u32, Refusal> {
    match asked {
        0 => Ok(DEFAULT_SIZE),
        1..=LARGEST_SIZE => Ok(u32::try_from(asked).unwrap_or(DEFAULT_SIZE)),
        _ => Err(Refusal::field("page_size", "must be 0 (for 100) to 1,000")),
    }
}

/// Where a page begins: behind this, in the list that `list` describes.
pub(super) fn cursor(token: &str, list: &str) -> Result<Option<Uuid>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let bad = || Refusal::field("page_token", "is not one that this list gave");
    let (id, mark) = token.split_at_checked(32).ok_or_else(bad)?;
    let id = Uuid::try_parse(id).map_err(|_| bad())?;
    if mark == mark_of(id, list) { Ok(Some(id)) } else { Err(bad()) }
}

/// The page of these, of which one too many was asked for.
pub(super) fn page<T>(mut items: Vec<T>, size: u32, list: &str, id: impl Fn(&T) -> Uuid) -> Page<T> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = items.len() > size;
    items.truncate(size);
    let next = match items.last().filter(|_| more) {
        Some(last) => format!("{}{}", id(last).simple(), mark_of(id(last), list)),
        None => String::new(),
    };
    Page { items, next }
}

fn mark_of(id: Uuid, list: &str) -> String {
    KeyHash::of(&format!("{}\n{list}", id.simple())).mark()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_own_list_alone() {
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let page = page(ids.clone(), 2, "tenant a", |id| *id);
        assert_eq!(page.items, ids[..2]);
        assert_eq!(cursor(&page.next, "tenant a"), Ok(Some(ids[1])));
        assert!(cursor(&page.next, "tenant b").is_err());
        assert!(cursor(&page.next[1..], "tenant a").is_err());
        assert!(cursor("é".repeat(40).as_str(), "tenant a").is_err());
    }

    #[test]
    fn the_last_page_has_no_token() {
        assert_eq!(page(vec![Uuid::nil()], 1, "", |id| *id).next, "");
    }
}
