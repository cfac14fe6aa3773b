//! The forms of many kinds' values at once. Finding the kind of a value costs by how many lengths prefixes have,
//! and not by how many profiles there are.

use std::collections::HashMap;

use super::{KeyFormat, KeyKind};

/// Kinds, told apart by what their values start with. Each is somebody's, by a number.
#[derive(Clone, Debug, Default)]
pub struct KeyFormatIndex {
    by_prefix: HashMap<Box<str>, Vec<(KeyFormat, usize)>, foldhash::fast::RandomState>,
    /// How long the prefixes are, each length once.
    lengths: Vec<usize>,
}

impl KeyFormatIndex {
    /// Adds a kind of this owner. Where two owners have one form, it is the lower number's.
    pub fn add(&mut self, kind: &KeyKind, owner: usize) {
        for prefix in kind.prefixes.all() {
            let forms = self.by_prefix.entry(prefix.into()).or_default();
            match forms.iter_mut().find(|(form, _)| *form == kind.format()) {
                Some((_, first)) => *first = owner.min(*first),
                None => forms.push((kind.format(), owner)),
            }
            if !self.lengths.contains(&prefix.len()) {
                self.lengths.push(prefix.len());
            }
        }
    }

    /// The lowest of the owners whose values have this form.
    #[must_use]
    pub fn owner(&self, value: &str) -> Option<usize> {
        let prefixes = self.lengths.iter().filter_map(|length| value.get(..*length));
        let by_prefix = prefixes.filter_map(|prefix| Some((prefix, self.by_prefix.get(prefix)?)));
        let fitting = by_prefix.flat_map(|(prefix, forms)| {
            forms.iter().filter(move |(form, _)| form.matches_after_prefix(prefix, value))
        });
        fitting.map(|(_, owner)| *owner).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_kind::{Encoding, Prefixes};
    use crate::scope::ScopeSet;

    fn kind(prefixes: &[&str], bytes: usize) -> KeyKind {
        let each = |prefix: &&str| ("live".into(), (*prefix).into());
        KeyKind {
            name: "secret".into(),
            default: true,
            prefixes: Prefixes::PerEnvironment(prefixes.iter().map(each).collect()),
            encoding: Encoding::Hex,
            bytes,
            checksum: false,
            retrievable: false,
            bindings: vec![],
            max_scopes: ScopeSet::default(),
            default_scopes: ScopeSet::default(),
            creates_keys_in: Vec::new(),
        }
    }

    #[test]
    fn a_value_is_of_the_first_owner_whose_kind_it_fits() {
        let kinds = [
            kind(&["sk_live_", "sk_test_"], 16),
            kind(&["sk_live_"], 32),
            kind(&["sk_live_"], 16),
            kind(&["sk_", ""], 4),
            kind(&["sk_a"], 4),
            kind(&["é_"], 2),
        ];
        let mut forms = KeyFormatIndex::default();
        for (owner, kind) in kinds.iter().enumerate().rev() {
            forms.add(kind, owner);
        }
        for prefix in ["sk_live_", "sk_test_", "sk_", "", "sk_a", "é_", "è_", "\u{1F511}", "x"] {
            for characters in [0, 4, 7, 8, 9, 32, 64] {
                let value = format!("{prefix}{}", "a".repeat(characters));
                let alone = kinds.iter().position(|kind| kind.matches_format(&value));
                assert_eq!(forms.owner(&value), alone, "{value}");
            }
        }
    }
}
