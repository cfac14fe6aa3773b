//! Headers that an upstream must not get. Nearly all of them are the same for every request of a profile, so their
//! encoded form is created once and then copied.

use std::sync::OnceLock;

/// Headers that are removed from every request, prepared when a document is applied.
#[derive(Debug, Default)]
pub struct StaticRemovals {
    names: Vec<Box<str>>,
    encoded: OnceLock<Box<[u8]>>,
}

/// Headers that are removed from a request.
#[derive(Clone, Debug, Default)]
pub struct HeaderRemovals<'a> {
    /// Headers that are removed from every request.
    pub static_names: Option<&'a StaticRemovals>,
    /// Further headers that are removed from this request.
    pub extra_names: Vec<&'a str>,
}

impl From<Vec<Box<str>>> for StaticRemovals {
    fn from(names: Vec<Box<str>>) -> Self {
        Self { names, encoded: OnceLock::new() }
    }
}

impl StaticRemovals {
    /// Returns the encoded form of all names. The first call encodes them with `write`; later calls return the same
    /// bytes.
    pub fn encoded_with(&self, write: impl FnOnce(&[Box<str>]) -> Box<[u8]>) -> &[u8] {
        self.encoded.get_or_init(|| write(&self.names))
    }
}

impl<'a> HeaderRemovals<'a> {
    /// Returns all names.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let static_names = self.static_names.map_or(&[][..], |removals| &removals.names);
        static_names.iter().map(|name| &**name).chain(self.extra_names.iter().copied())
    }

    /// Returns true if this header is removed.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|removed| removed == name)
    }

    /// Adds a header to the removals of this request.
    pub(super) fn add(&mut self, name: &'a str) {
        self.extra_names.push(name);
    }

    /// Excludes a header from the removals.
    pub(super) fn keep(&mut self, name: &str) {
        if self.contains(name) {
            self.extra_names = self.names().filter(|removed| *removed != name).collect();
            self.static_names = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_kept_is_no_longer_removed() {
        let always = StaticRemovals::from(vec!["a".into(), "b".into()]);
        let mut removed = HeaderRemovals { static_names: Some(&always), extra_names: Vec::new() };
        removed.add("c");
        removed.keep("d");
        assert!(removed.static_names.is_some());
        assert_eq!(removed.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        removed.keep("b");
        assert_eq!(removed.names().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn the_names_are_encoded_once() {
        let always = StaticRemovals::from(vec!["a".into(), "b".into()]);
        assert_eq!(always.encoded_with(|names| names.concat().into_bytes().into()), b"ab");
        assert_eq!(always.encoded_with(|_| Box::default()), b"ab");
    }
}
