//! Identifiers of requests. They are neither secret nor unpredictable, but must not repeat. Each is a hash of a counter with a seed from the
//! operating system, which costs nanoseconds and needs no lock.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::FixedState;
use latchkey_core::key_kind::BASE62;

use crate::request::Request;

/// Maximum length, in bytes, of an identifier that is taken from a request.
const MAX_ID_BYTES: usize = 128;

/// Number of random characters after the prefix.
const RANDOM_CHARACTERS: usize = 10;

/// Source of request identifiers.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// Prefix of every identifier; `None` if the caller's own identifier is used.
    prefix: Option<Box<str>>,
    seed: FixedState,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new(None)
    }
}

impl RequestIds {
    pub(crate) fn new(prefix: Option<Box<str>>) -> Self {
        // The standard library takes its seed from the operating system.
        let seed = FixedState::with_seed(RandomState::new().hash_one(0_u64));
        Self { prefix, seed, next: AtomicU64::new(0) }
    }

    /// Returns the prefix of every identifier; `None` if the caller's own identifier is used.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Returns the identifier of a request.
    pub(crate) fn of<'a>(&self, request: &'a Request<'_>) -> Cow<'a, str> {
        match &self.prefix {
            Some(prefix) => Cow::Owned(self.make(prefix)),
            None => sent(request).map_or_else(|| Cow::Owned(self.make("")), Cow::Borrowed),
        }
    }

    /// Returns a new identifier with this prefix.
    pub(crate) fn make(&self, prefix: &str) -> String {
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

/// Returns the identifier that a request was sent with, if it is safe to show.
fn sent<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let id = request.text("x-request-id")?;
    let safe = !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic());
    safe.then_some(id)
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
    fn with_a_prefix_every_identifier_is_generated() {
        let ids = RequestIds::new(Some("req_".into()));
        let generated: HashSet<String> = (0..10_000).map(|_| id(&ids, b"theirs")).collect();
        assert_eq!(generated.len(), 10_000);
        let fits = |id: &String| id.len() == 14 && id[4..].bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(generated.iter().all(|id| id.starts_with("req_") && fits(id)));
    }

    #[test]
    fn without_a_prefix_a_safe_identifier_is_taken_over() {
        let ids = RequestIds::default();
        assert_eq!(id(&ids, b"f-1/2"), "f-1/2");
        for unsafe_id in [&b""[..], b"a b", b"a\r\nb", b"\xff", &[b'x'; 129]] {
            assert_eq!(id(&ids, unsafe_id).len(), RANDOM_CHARACTERS);
        }
    }
}
