//! The headers of a request, with an index by name. A profile looks up a few of some twenty names, most of which are
//! absent. A table of name hashes answers nearly all lookups without a search of the list.

use std::ops::Deref;

use super::Header;

/// Headers in the order of the request. Several entries of the same name are several occurrences.
#[derive(Clone)]
pub struct Headers<'a> {
    list: Vec<Header<'a>>,
    /// Entries by name hash: [`NONE`], the position of the only header with this hash plus one, or [`MANY`].
    index: [u8; 256],
    may_repeat: bool,
}

/// Initial capacity, enough for the headers of a browser and Envoy.
const INITIAL_CAPACITY: usize = 32;
/// Entry for a hash without headers.
const NONE: u8 = 0;
/// Entry for a hash with several headers, or with one at a position that does not fit.
const MANY: u8 = u8::MAX;

impl Default for Headers<'_> {
    fn default() -> Self {
        Self { list: Vec::new(), index: [NONE; 256], may_repeat: false }
    }
}

impl<'a> Headers<'a> {
    /// Adds an occurrence.
    #[inline]
    pub fn push(&mut self, header: Header<'a>) {
        if self.list.capacity() == 0 {
            self.list = Vec::with_capacity(INITIAL_CAPACITY);
        }
        let slot = &mut self.index[usize::from(name_hash(header.name))];
        *slot = match *slot {
            NONE => u8::try_from(self.list.len() + 1).unwrap_or(MANY),
            MANY => {
                self.may_repeat = true;
                MANY
            }
            position => {
                self.may_repeat |= self.list[usize::from(position) - 1].name == header.name;
                MANY
            }
        };
        self.list.push(header);
    }

    /// Returns all occurrences of a name in lower case.
    pub(crate) fn named<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h Header<'a>> {
        self.candidates(name.as_bytes()).iter().filter(move |header| header.name == name.as_bytes())
    }

    /// Returns all occurrences of a name in lower case, in every spelling of its hyphens. CGI, WSGI and similar
    /// interfaces read `x_key` and `x-key` as the same header, and PHP reads `x.key` so too.
    pub(crate) fn spelled<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h Header<'a>> {
        self.candidates(name.as_bytes())
            .iter()
            .filter(move |header| is_spelling(header.name, name.as_bytes()))
    }

    /// Returns the headers that may have this name, in any spelling.
    fn candidates(&self, name: &[u8]) -> &[Header<'a>] {
        match self.index[usize::from(name_hash(name))] {
            NONE => &[],
            MANY => &self.list[..],
            position => std::slice::from_ref(&self.list[usize::from(position) - 1]),
        }
    }

    /// Returns false if no name occurs twice. Returns true if one does, or if deciding that would need a search.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    /// Returns the headers without the index.
    #[must_use]
    pub fn into_list(self) -> Vec<Header<'a>> {
        self.list
    }
}

/// Returns an eight-bit hash of a name from its length and its first and last four bytes. It is the same for all
/// spellings of the name.
#[inline]
fn name_hash(name: &[u8]) -> u8 {
    let (first, last) = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u32::from_le_bytes(*first), u32::from_le_bytes(*last)),
        (None, _) | (_, None) => (name.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)), 0),
    };
    let both = (u64::from(first) << 32 | u64::from(last)) & SAME_IN_SEPARATORS;
    let mixed = (both ^ name.len() as u64).wrapping_mul(MULTIPLIER);
    mixed.to_be_bytes()[0]
}

/// Bits that hyphens, underscores and dots have in common, in eight bytes.
const SAME_IN_SEPARATORS: u64 = u64::from_be_bytes([!((b'_' ^ b'-') | (b'_' ^ b'.')); 8]);

/// Multiplier of the hash: an odd number by which no two of the usual headers have the same hash.
const MULTIPLIER: u64 = 0x9da1_2531_6aac_9f01;

/// Returns true if two names differ at most in hyphens, underscores and dots.
fn is_spelling(one: &[u8], two: &[u8]) -> bool {
    let same = |(one, two): (&u8, &u8)| one == two || (is_separator(*one) && is_separator(*two));
    one == two || (one.len() == two.len() && one.iter().zip(two).all(same))
}

/// Returns true for a byte that separates the words of a header's name.
pub(crate) fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

impl<'a> Deref for Headers<'a> {
    type Target = [Header<'a>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl<'a> Extend<Header<'a>> for Headers<'a> {
    fn extend<I: IntoIterator<Item = Header<'a>>>(&mut self, headers: I) {
        headers.into_iter().for_each(|header| self.push(header));
    }
}

impl<'a> FromIterator<Header<'a>> for Headers<'a> {
    fn from_iter<I: IntoIterator<Item = Header<'a>>>(headers: I) -> Self {
        let mut all = Self::default();
        all.extend(headers);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers<'a>(names: impl IntoIterator<Item = &'a str>) -> Headers<'a> {
        names.into_iter().map(|name| Header { name: name.as_bytes(), value: b"" }).collect()
    }

    proptest! {
        #[test]
        fn a_lookup_finds_the_same_as_a_search(
            names in prop::collection::vec("[a-c._-]{0,3}|[a-b._-]{7,9}", 0..600),
            wanted in "[a-c._-]{0,3}|[a-b._-]{7,9}",
        ) {
            let headers = headers(names.iter().map(String::as_str));
            let found: Vec<_> = headers.named(&wanted).map(std::ptr::from_ref).collect();
            let searched: Vec<_> =
                headers.iter().filter(|h| h.name == wanted.as_bytes()).map(std::ptr::from_ref).collect();
            prop_assert_eq!(found, searched);
            let spelled: Vec<_> = headers.spelled(&wanted).map(std::ptr::from_ref).collect();
            let hyphens = |name: &[u8]| String::from_utf8_lossy(name).replace(['_', '.'], "-");
            let searched: Vec<_> = headers
                .iter()
                .filter(|h| hyphens(h.name) == hyphens(wanted.as_bytes()))
                .map(std::ptr::from_ref)
                .collect();
            prop_assert_eq!(spelled, searched);
            let different: std::collections::HashSet<_> = names.iter().collect();
            prop_assert!(headers.may_repeat() || different.len() == names.len());
        }
    }

    #[test]
    fn every_separator_is_the_same_to_a_lookup() {
        let sent = [
            "x-merchant-id",
            "x_merchant_id",
            "x.merchant.id",
            "x-merchant.id",
            "xmerchantid",
            "x-merchant+id",
        ];
        let headers = headers(sent);
        let spelled = |name: &str| headers.spelled(name).count();
        assert_eq!((spelled("x-merchant-id"), spelled("x.merchant_id"), spelled("xmerchantid")), (4, 4, 1));
    }

    #[test]
    fn usual_headers_are_distinguished() {
        let usual = [
            ":authority",
            ":path",
            ":method",
            ":scheme",
            "user-agent",
            "accept",
            "accept-encoding",
            "accept-language",
            "cache-control",
            "content-type",
            "content-length",
            "cookie",
            "origin",
            "referer",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-request-id",
            "x-api-key",
            "x-envoy-auth-partial-body",
            "authorization",
            "x-tenant-id",
            "traceparent",
        ];
        let hashes: std::collections::HashSet<u8> =
            usual.iter().map(|name| name_hash(name.as_bytes())).collect();
        assert_eq!(hashes.len(), usual.len());
        assert!(!headers(usual).may_repeat());
    }
}
