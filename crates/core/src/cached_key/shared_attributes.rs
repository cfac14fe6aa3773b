//! Attributes that many keys of a profile have in common, stored once.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::heap_size;
use crate::policy::Policy;
use crate::record::KeyRecord;
use crate::scope::ScopeSet;

/// Kind, environment, prefix and scopes, as many keys of a profile have them in common.
#[derive(Debug)]
pub struct SharedKeyAttributes {
    profile: Box<str>,
    /// A kind of the profile.
    pub kind: Box<str>,
    /// An environment of the profile.
    pub environment: Box<str>,
    /// Prefix of the value, as far as it is known.
    pub prefix: Box<str>,
    scopes: Box<[Box<str>]>,
    /// The scopes, as the registry of this number numbers them.
    granted: ArcSwap<(u64, ScopeSet)>,
}

impl SharedKeyAttributes {
    /// Returns the attributes of a key.
    pub(crate) fn of(profile: &str, record: &KeyRecord) -> Self {
        Self {
            profile: profile.into(),
            kind: record.kind.clone(),
            environment: record.environment.clone(),
            prefix: record.prefix.clone(),
            scopes: record.scopes.clone().into(),
            // The registry of number 0 has no scopes.
            granted: ArcSwap::from_pointee((0, ScopeSet::default())),
        }
    }

    /// Returns the scopes, as the policy numbers them. Another profile's policy grants nothing.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        if *policy.name != *self.profile {
            return ScopeSet::default();
        }
        let known = self.granted.load();
        if known.0 == policy.scopes.number() {
            return known.1.clone();
        }
        let granted = policy.scopes.resolve(&self.scopes);
        self.granted.store(Arc::new((policy.scopes.number(), granted.clone())));
        granted
    }

    /// Returns the names of the scopes, as they are stored.
    #[must_use]
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// Returns the bytes of the value itself and of its heap blocks.
    pub(crate) fn heap_size(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| heap_size::text(scope)).sum();
        let texts = [&self.profile, &self.kind, &self.environment, &self.prefix];
        let texts: usize = texts.into_iter().map(|text| heap_size::text(text)).sum();
        let granted = heap_size::shared(size_of::<(u64, ScopeSet)>()) + self.granted.load().1.heap_size();
        heap_size::shared(size_of::<Self>())
            + texts
            + heap_size::block(size_of_val(&*self.scopes))
            + scopes
            + granted
    }
}

impl SharedKeyAttributes {
    /// Returns the fields that decide about equality: all but the derived set of scopes.
    fn identity(&self) -> (&str, &str, &str, &str, &[Box<str>]) {
        (&self.profile, &self.kind, &self.environment, &self.prefix, &self.scopes)
    }
}

impl PartialEq for SharedKeyAttributes {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for SharedKeyAttributes {}

impl Hash for SharedKeyAttributes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}
