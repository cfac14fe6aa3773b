//! Borrowed map of strings: the bindings of a key or user, or the metadata of a key.

use std::collections::BTreeMap;

/// Map of strings, borrowed from either of its stored forms.
#[derive(Clone, Copy, Debug)]
pub enum StringMapRef<'a> {
    /// Pairs, sorted by name.
    Pairs(&'a [(Box<str>, Box<str>)]),
    /// A map, as records have it.
    Map(&'a BTreeMap<String, String>),
}

impl<'a> StringMapRef<'a> {
    /// Returns the value of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        match self {
            Self::Pairs(pairs) => pairs.iter().find(|(n, _)| **n == *name).map(|(_, value)| &**value),
            Self::Map(map) => map.get(name).map(String::as_str),
        }
    }

    /// Returns all pairs, sorted by name.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (pairs, map) = match self {
            Self::Pairs(pairs) => (pairs, None),
            Self::Map(map) => (&[][..], Some(map)),
        };
        let map = map.into_iter().flatten().map(|(name, value)| (&**name, &**value));
        pairs.iter().map(|(name, value)| (&**name, &**value)).chain(map)
    }

    /// Returns whether the map has no pair.
    #[must_use]
    pub fn is_empty(self) -> bool {
        match self {
            Self::Pairs(pairs) => pairs.is_empty(),
            Self::Map(map) => map.is_empty(),
        }
    }
}
