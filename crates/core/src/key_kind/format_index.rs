//! Index of the formats of many kinds. The cost of finding the kind of a value depends on the number of
//! distinct prefix lengths, and not on the number of profiles.

use std::collections::HashMap;

use super::pattern::KeyPattern;
use super::{KeyFormat, KeyKind};

/// Formats of kinds by prefix, each with the number of its owner.
#[derive(Clone, Debug, Default)]
pub struct KeyFormatIndex {
    by_prefix: HashMap<Box<str>, Vec<(KeyFormat, usize)>, foldhash::fast::RandomState>,
    /// Lengths of the prefixes, each length once.
    lengths: Vec<usize>,
    /// Formats of other systems, each with the number of its owner.
    patterns: Vec<(KeyPattern, usize)>,
}

impl KeyFormatIndex {
    /// Adds a kind of this owner. If two owners have the same format, it belongs to the lower number.
    pub fn add(&mut self, kind: &KeyKind, owner: usize) {
        for prefix in kind.own_prefixes() {
            let formats = self.by_prefix.entry(prefix.into()).or_default();
            match formats.iter_mut().find(|(format, _)| *format == kind.format()) {
                Some((_, first)) => *first = owner.min(*first),
                None => formats.push((kind.format(), owner)),
            }
            if !self.lengths.contains(&prefix.len()) {
                self.lengths.push(prefix.len());
            }
        }
        if let Some(pattern) = &kind.imports.pattern {
            match self.patterns.iter_mut().find(|(known, _)| known == pattern) {
                Some((_, first)) => *first = owner.min(*first),
                None => self.patterns.push((pattern.clone(), owner)),
            }
        }
    }

    /// Returns the lowest number of the owners whose values have this format.
    #[must_use]
    pub fn owner(&self, value: &str) -> Option<usize> {
        let prefixes = self.lengths.iter().filter_map(|length| value.get(..*length));
        let by_prefix = prefixes.filter_map(|prefix| Some((prefix, self.by_prefix.get(prefix)?)));
        let matching = by_prefix.flat_map(|(prefix, formats)| {
            formats.iter().filter(move |(format, _)| format.matches_after_prefix(prefix, value))
        });
        let own = matching.map(|(_, owner)| *owner);
        let foreign =
            self.patterns.iter().filter(|(pattern, _)| pattern.matches(value)).map(|(_, owner)| *owner);
        own.chain(foreign).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_kind::{Encoding, ImportRules, Prefixes};
    use crate::scope::ScopeSet;

    fn kind(prefixes: &[&str], bytes: usize) -> KeyKind {
        let each = |prefix: &&str| ("live".into(), (*prefix).into());
        KeyKind {
            name: "secret".into(),
            default: true,
            prefixes: Prefixes::PerEnvironment(prefixes.iter().map(each).collect()),
            encoding: Encoding::Hex,
            characters: bytes * 2,
            checksum: false,
            retrievable: false,
            bindings: vec![],
            max_scopes: ScopeSet::default(),
            default_scopes: ScopeSet::default(),
            creates_keys_in: Vec::new(),
            lifetime: crate::key_kind::LifetimeRules::default(),
            imports: ImportRules::default(),
        }
    }

    fn imported(pattern: &str) -> KeyKind {
        let pattern = KeyPattern::new(pattern, 16..=64).ok();
        KeyKind { imports: ImportRules { pattern, only: true, hashes: vec![] }, ..kind(&[""], 16) }
    }

    #[test]
    fn a_value_belongs_to_the_first_owner_whose_kind_it_matches() {
        let kinds = [
            kind(&["sk_live_", "sk_test_"], 16),
            kind(&["sk_live_"], 32),
            kind(&["sk_live_"], 16),
            kind(&["sk_", ""], 4),
            kind(&["sk_a"], 4),
            kind(&["é_"], 2),
            imported("[0-9a-f]{32}"),
            imported("[0-9a-f]{20,40}"),
        ];
        let mut index = KeyFormatIndex::default();
        for (owner, kind) in kinds.iter().enumerate().rev() {
            index.add(kind, owner);
        }
        for prefix in ["sk_live_", "sk_test_", "sk_", "", "sk_a", "é_", "è_", "\u{1F511}", "x"] {
            for characters in [0, 4, 7, 8, 9, 32, 64] {
                let value = format!("{prefix}{}", "a".repeat(characters));
                let expected = kinds.iter().position(|kind| kind.matches_format(&value));
                assert_eq!(index.owner(&value), expected, "{value}");
            }
        }
    }
}
