//! Scopes. A profile's registry gives each scope a number, so that a set of scopes is a row of bits, and the
//! test whether a set has all scopes of another compares machine words. Names are exact and case-sensitive;
//! only declared aliases match.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::enforcement::Enforcement;
use crate::heap_size;

/// Scope that lets a tenant's key or user manage keys.
pub const MANAGE_KEYS: &str = "api_keys.manage";
/// Scope that lets a tenant's key or user make expired keys valid again, in addition to [`MANAGE_KEYS`].
pub const REVIVE_KEYS: &str = "api_keys.revive";

/// Returns whether a name is that of a scope that Latchkey itself requires: to manage keys, or of operators. Such a scope
/// is granted only if a request names it.
fn is_reserved(name: &str) -> bool {
    name.starts_with("api_keys.") || name.starts_with("latchkey.")
}

/// Number of a scope in its profile's registry. Numbers follow the order of the canonical names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub u16);

/// A set of scopes of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(SmallVec<[u64; 2]>);

impl ScopeSet {
    /// Adds a scope.
    pub fn insert(&mut self, scope: ScopeId) {
        let (word, bit) = Self::word_and_bit(scope);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    /// Adds all scopes of another set.
    pub fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// Returns whether the scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: ScopeId) -> bool {
        let (word, bit) = Self::word_and_bit(scope);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }

    /// Returns whether all scopes of `other` are in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.words().enumerate().all(|(i, w)| w & !self.word(i) == 0)
    }

    /// Returns whether any scope of `other` is in this set.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        other.words().enumerate().any(|(i, w)| w & self.word(i) != 0)
    }

    /// Returns the scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(other.words().enumerate().map(|(i, w)| w & self.word(i)).collect())
    }

    /// Returns the scopes that are in this set and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.words().enumerate().map(|(i, w)| w & !other.word(i)).collect())
    }

    /// Returns whether the set has no scope.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words().all(|w| w == 0)
    }

    /// Returns the bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        if self.0.spilled() { heap_size::block(self.0.capacity() * size_of::<u64>()) } else { 0 }
    }

    /// Returns the scopes of the set in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ScopeId> + '_ {
        (0u16..).zip(self.words()).flat_map(|(i, w)| {
            (0..64u16).filter(move |b| w & (1 << b) != 0).map(move |b| ScopeId(i * 64 + b))
        })
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or_default()
    }

    fn word_and_bit(scope: ScopeId) -> (usize, u64) {
        (usize::from(scope.0 / 64), 1 << (scope.0 % 64))
    }
}

impl FromIterator<ScopeId> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(scopes: I) -> Self {
        let mut set = Self::default();
        scopes.into_iter().for_each(|s| set.insert(s));
        set
    }
}

/// A scope as a profile declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeEntry {
    /// The canonical name.
    pub name: Box<str>,
    /// The human-readable description.
    pub description: Box<str>,
    /// Other names of the scope.
    pub aliases: Vec<Box<str>>,
    /// Enforcement of denials of calls that lack the scope.
    pub enforce: Enforcement,
}

/// Error of two scopes, or a scope and an alias, with the same name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope or alias {0:?} is declared twice")]
pub struct DuplicateScope(pub Box<str>);

/// Number of registries that this process has made.
static REGISTRIES: AtomicU64 = AtomicU64::new(0);

/// All scopes of a profile.
#[derive(Clone, Debug, Default)]
pub struct ScopeRegistry {
    /// Number of this registry in the process; 0 for the one without scopes.
    number: u64,
    entries: Vec<ScopeEntry>,
    by_name: HashMap<Box<str>, ScopeId>,
    shadow: ScopeSet,
}

impl ScopeRegistry {
    /// Returns the registry of these scopes, numbered in the order of their names.
    pub fn new(mut entries: Vec<ScopeEntry>) -> Result<Self, DuplicateScope> {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut by_name = HashMap::new();
        for (number, entry) in (0u16..).zip(&entries) {
            for name in std::iter::once(&entry.name).chain(&entry.aliases) {
                if by_name.insert(name.clone(), ScopeId(number)).is_some() {
                    return Err(DuplicateScope(name.clone()));
                }
            }
        }
        let in_shadow = (0u16..).zip(&entries).filter(|(_, entry)| entry.enforce.is_shadow());
        let shadow = in_shadow.map(|(number, _)| ScopeId(number)).collect();
        // Relaxed: the number alone is shared.
        let number = 1 + REGISTRIES.fetch_add(1, Ordering::Relaxed);
        Ok(Self { number, entries, by_name, shadow })
    }

    /// Returns the number of this registry, by which sets of its scopes can be cached: another registry of this process
    /// has another number, also if it is of the same version of a profile.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the scope of this name or alias.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ScopeId> {
        self.by_name.get(name).copied()
    }

    /// Returns the canonical name; empty if the scope is of another registry.
    #[must_use]
    pub fn name(&self, scope: ScopeId) -> &str {
        self.entries.get(usize::from(scope.0)).map_or("", |e| &e.name)
    }

    /// Returns the canonical name and the aliases of a scope; none if the scope is of another registry.
    pub fn all_names(&self, scope: ScopeId) -> impl Iterator<Item = &str> {
        let entry = self.entries.get(usize::from(scope.0)).into_iter();
        entry.flat_map(|entry| std::iter::once(&entry.name).chain(&entry.aliases)).map(|name| &**name)
    }

    /// Returns the set of all scopes.
    #[must_use]
    pub fn all(&self) -> ScopeSet {
        (0u16..).zip(&self.entries).map(|(n, _)| ScopeId(n)).collect()
    }

    /// Returns the scopes that are in shadow.
    #[must_use]
    pub fn shadow(&self) -> &ScopeSet {
        &self.shadow
    }

    /// Returns the canonical names of a set, sorted.
    pub fn names<'a>(&'a self, set: &'a ScopeSet) -> impl Iterator<Item = &'a str> {
        set.iter().map(|s| self.name(s))
    }

    /// Returns the set of these names. Names that the profile does not declare, or no longer, are left out.
    #[must_use]
    pub fn resolve<S: AsRef<str>>(&self, names: &[S]) -> ScopeSet {
        names.iter().filter_map(|n| self.find(n.as_ref())).collect()
    }

    /// Returns a set without the scopes that must be named to be granted.
    #[must_use]
    pub fn without_management(&self, set: &ScopeSet) -> ScopeSet {
        set.iter().filter(|scope| !self.is_management(*scope)).collect()
    }

    /// Returns whether a scope manages keys or is an operator's, by its name or an alias.
    fn is_management(&self, scope: ScopeId) -> bool {
        let entry = self.entries.get(usize::from(scope.0));
        entry.is_some_and(|e| is_reserved(&e.name) || e.aliases.iter().any(|alias| is_reserved(alias)))
    }

    /// Returns the declared scopes, sorted by name.
    #[must_use]
    pub fn entries(&self) -> &[ScopeEntry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(names: usize) -> ScopeRegistry {
        let entry = |n: usize| ScopeEntry {
            name: format!("scope.{n:04}").into(),
            description: "".into(),
            aliases: vec![format!("alias.{n:04}").into()],
            enforce: Enforcement::Enforced,
        };
        ScopeRegistry::new((0..names).map(entry).collect()).unwrap()
    }

    #[test]
    fn an_alias_is_the_scope_itself() {
        let scopes = registry(200);
        assert_eq!(scopes.find("alias.0150"), scopes.find("scope.0150"));
        assert_eq!(scopes.find("Scope.0150"), None);
        assert_eq!(scopes.find("scope"), None);
    }

    #[test]
    fn a_set_covers_the_scopes_that_it_has_and_no_others() {
        let scopes = registry(200);
        let some = scopes.resolve(&["scope.0001", "scope.0130"]);
        let more = scopes.resolve(&["scope.0001", "scope.0130", "scope.0131"]);
        assert!(more.covers(&some) && !some.covers(&more) && some.intersects(&more));
        assert_eq!(scopes.names(&more.difference(&some)).collect::<Vec<_>>(), ["scope.0131"]);
        assert!(some.covers(&ScopeSet::default()) && !ScopeSet::default().covers(&some));
    }

    #[test]
    fn a_scope_that_manages_keys_is_known_by_its_name_and_its_aliases() {
        let entry = |name: &str, aliases: &[&str]| ScopeEntry {
            name: name.into(),
            description: "".into(),
            aliases: aliases.iter().map(|&alias| alias.into()).collect(),
            enforce: Enforcement::Enforced,
        };
        let entries = vec![
            entry("api_keys.revive", &[]),
            entry("keys:admin", &["keys.all", MANAGE_KEYS]),
            entry("orders", &["api_keys"]),
        ];
        let scopes = ScopeRegistry::new(entries).unwrap();
        let all = scopes.without_management(&scopes.all());
        assert_eq!(scopes.names(&all).collect::<Vec<_>>(), ["orders"]);
    }

    #[test]
    fn one_name_for_two_scopes_is_refused() {
        let entry = |name: &str, alias: &str| ScopeEntry {
            name: name.into(),
            description: "".into(),
            aliases: vec![alias.into()],
            enforce: Enforcement::Enforced,
        };
        let double = ScopeRegistry::new(vec![entry("a", "x"), entry("b", "a")]);
        assert_eq!(double.unwrap_err(), DuplicateScope("a".into()));
    }
}
