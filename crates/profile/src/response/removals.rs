//! What an upstream must not get. Nearly all of it is the same for every request of a profile, so whoever tells
//! it on writes that once, and copies it from then on.

use std::sync::OnceLock;

/// Headers that are taken out of every request, worked out when a document is applied.
#[derive(Debug, Default)]
pub struct StaticRemovals {
    names: Vec<Box<str>>,
    encoded: OnceLock<Box<[u8]>>,
}

/// Headers that are taken out of a request.
#[derive(Clone, Debug, Default)]
pub struct HeaderRemovals<'a> {
    /// Those that are taken out of every one.
    pub static_names: Option<&'a StaticRemovals>,
    /// Those of this one besides.
    pub extra_names: Vec<&'a str>,
}

impl From<Vec<Box<str>>> for StaticRemovals {
    fn from(names: Vec<Box<str>>) -> Self {
        Self { names, encoded: OnceLock::new() }
    }
}

impl StaticRemovals {
    /// All of them, as the first call wrote them; later ones are given the same.
    pub fn encoded_with(&self, write: impl FnOnce(&[Box<str>]) -> Box<[u8]>) -> &[u8] {
        self.encoded.get_or_init(|| write(&self.names))
    }
}

impl<'a> HeaderRemovals<'a> {
    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let always = self.static_names.map_or(&[][..], |always| &always.names);
        always.iter().map(|name| &**name).chain(self.extra_names.iter().copied())
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|removed| removed == name)
    }

    /// Takes this one out, too.
    pub(super) fn add(&mut self, name: &'a str) {
        self.extra_names.push(name);
    }

    /// Leaves this one in.
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
    fn what_is_kept_is_no_longer_removed() {
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
    fn it_is_written_once() {
        let always = StaticRemovals::from(vec!["a".into(), "b".into()]);
        assert_eq!(always.encoded_with(|names| names.concat().into_bytes().into()), b"ab");
        assert_eq!(always.encoded_with(|_| Box::default()), b"ab");
    }
}
