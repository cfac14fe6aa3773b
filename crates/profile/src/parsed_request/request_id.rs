//! Identifiers of requests. They are no secrets, but must not repeat: a counter goes through a hash that the
//! operating system seeded, which costs nanoseconds and takes no lock.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_core::key_kind::BASE62;

use crate::request::Request;

/// The longest identifier that is taken over from a request.
const MAX_ID_BYTES: usize = 128;

/// Random characters behind a prefix.
const RANDOM_CHARACTERS: usize = 10;

/// Where identifiers come from.
#[derive(Debug, Default)]
pub(crate) struct RequestIds {
    /// What every identifier starts with; none: the caller's own identifier counts.
    prefix: Option<Box<str>>,
    seed: RandomState,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(prefix: Option<Box<str>>) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// The identifier of a request.
    pub(crate) fn of<'a>(&self, request: &'a Request<'_>) -> Cow<'a, str> {
        match &self.prefix {
            Some(prefix) => Cow::Owned(self.make(prefix)),
            None => sent(request).map_or_else(|| Cow::Owned(self.make("")), Cow::Borrowed),
        }
    }

    fn make(&self, prefix: &str) -> String {
        let mut id = String::with_capacity(prefix.len() + RANDOM_CHARACTERS);
        id.push_str(prefix);
        let mut random = self.seed.hash_one(self.next.fetch_add(1, Ordering::Relaxed));
        for _ in 0..RANDOM_CHARACTERS {
            id.push(char::from(BASE62[(random % 62) as usize]));
            random /= 62;
        }
        id
    }
}

/// The identifier that came with a request, where it is fit to be shown.
fn sent<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let id = request.text("x-request-id")?;
    let fit = !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic());
    fit.then_some(id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::request::Header;

    fn id(ids: &RequestIds, sent: &[u8]) -> String {
        let header = Header { name: b"x-request-id", value: sent };
        let request = Request { headers: [header].into_iter().collect(), ..Request::default() };
        ids.of(&request).into_owned()
    }

    #[test]
    fn a_prefix_makes_every_identifier_ours() {
        let ids = RequestIds::new(Some("req_".into()));
        let made: HashSet<String> = (0..10_000).map(|_| id(&ids, b"theirs")).collect();
        assert_eq!(made.len(), 10_000);
        let fits = |id: &String| id.len() == 14 && id[4..].bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(made.iter().all(|id| id.starts_with("req_") && fits(id)));
    }

    #[test]
    fn without_a_prefix_a_fit_identifier_is_taken_over() {
        let ids = RequestIds::default();
        assert_eq!(id(&ids, b"f-1/2"), "f-1/2");
        for unfit in [&b""[..], b"a b", b"a\r\nb", b"\xff", &[b'x'; 129]] {
            assert_eq!(id(&ids, unfit).len(), RANDOM_CHARACTERS);
        }
    }
}
