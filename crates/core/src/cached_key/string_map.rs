//! Words by their names: what a key is bound to, what its owner notes about it.

use std::collections::BTreeMap;

/// Words by their names, wherever they are kept.
#[derive(Clone, Copy, Debug)]
pub enum StringMapRef<'a> {
    /// In order of the names.
    Pairs(&'a [(Box<str>, Box<str>)]),
    /// As records have them.
    Map(&'a BTreeMap<String, String>),
}

impl<'a> StringMapRef<'a> {
    /// The word of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        match self {
            Self::Pairs(words) => words.iter().find(|(n, _)| **n == *name).map(|(_, word)| &**word),
            Self::Map(map) => map.get(name).map(String::as_str),
        }
    }

    /// All of them, in order of their names.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (few, map) = match self {
            Self::Pairs(words) => (words, None),
            Self::Map(map) => (&[][..], Some(map)),
        };
        let map = map.into_iter().flatten().map(|(name, word)| (&**name, &**word));
        few.iter().map(|(name, word)| (&**name, &**word)).chain(map)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        match self {
            Self::Pairs(words) => words.is_empty(),
            Self::Map(map) => map.is_empty(),
        }
    }
}
