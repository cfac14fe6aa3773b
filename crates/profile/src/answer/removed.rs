//! What an upstream must not get. Nearly all of it is the same for every request of a profile, so whoever tells
//! it on writes that once, and copies it from then on.

use std::sync::OnceLock;

/// Headers that are taken out of every request, worked out when a document is applied.
#[derive(Debug, Default)]
pub struct Always {
    names: Vec<Box<str>>,
    written: OnceLock<Box<[u8]>>,
}

/// Headers that are taken out of a request.
#[derive(Clone, Debug, Default)]
pub struct Removed<'a> {
    /// Those that are taken out of every one.
    pub always: Option<&'a Always>,
    /// Those of this one besides.
    pub besides: Vec<&'a str>,
}

impl From<Vec<Box<str>>> for Always {
    fn from(names: Vec<Box<str>>) -> Self {
        Self { names, written: OnceLock::new() }
    }
}

impl Always {
    /// All of them, as the first call wrote them; later ones are given the same.
    pub fn written(&self, write: impl FnOnce(&[Box<str>]) -> Box<[u8]>) -> &[u8] {
        self.written.get_or_init(|| write(&self.names))
    }
}

impl<'a> Removed<'a> {
    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let always = self.always.map_or(&[][..], |always| &always.names);
        always.iter().map(|name| &**name).chain(self.besides.iter().copied())
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names().any(|removed| removed == name)
    }

    /// Takes this one out, too.
    pub(super) fn add(&mut self, name: &'a str) {
        self.besides.push(name);
    }

    /// Leaves this one in.
    pub(super) fn keep(&mut self, name: &str) {
        if self.contains(name) {
            self.besides = self.names().filter(|removed| *removed != name).collect();
            self.always = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_no_longer_removed() {
        let always = Always::from(vec!["a".into(), "b".into()]);
        let mut removed = Removed { always: Some(&always), besides: Vec::new() };
        removed.add("c");
        removed.keep("d");
        assert!(removed.always.is_some());
        assert_eq!(removed.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        removed.keep("b");
        assert_eq!(removed.names().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn it_is_written_once() {
        let always = Always::from(vec!["a".into(), "b".into()]);
        assert_eq!(always.written(|names| names.concat().into_bytes().into()), b"ab");
        assert_eq!(always.written(|_| Box::default()), b"ab");
    }
}
