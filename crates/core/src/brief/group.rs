//! What many keys of a profile have in common, kept once.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::policy::Policy;
use crate::record::KeyRecord;
use crate::scope::ScopeSet;
use crate::weight;

/// What many keys of a profile have in common.
#[derive(Debug)]
pub struct Group {
    profile: Box<str>,
    /// One of the profile's kinds.
    pub kind: Box<str>,
    /// One of the profile's environments.
    pub environment: Box<str>,
    scopes: Box<[Box<str>]>,
    /// The scopes as a version of the profile numbers them.
    granted: ArcSwap<(u64, ScopeSet)>,
}

impl Group {
    /// Of the keys like this one.
    pub(crate) fn of(profile: &str, record: &KeyRecord) -> Self {
        Self {
            profile: profile.into(),
            kind: record.kind.clone(),
            environment: record.environment.clone(),
            scopes: record.scopes.clone().into(),
            // No profile has version 0.
            granted: ArcSwap::from_pointee((0, ScopeSet::default())),
        }
    }

    /// The scopes as the policy numbers them. Another profile's policy grants nothing.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        if *policy.name != *self.profile {
            return ScopeSet::default();
        }
        let known = self.granted.load();
        if known.0 == policy.version {
            return known.1.clone();
        }
        let granted = policy.scopes.known(&self.scopes);
        self.granted.store(Arc::new((policy.version, granted.clone())));
        granted
    }

    /// Bytes of it, itself and on the heap.
    pub(crate) fn weight(&self) -> usize {
        let scopes: usize = self.scopes.iter().map(|scope| weight::text(scope)).sum();
        let texts = weight::text(&self.profile) + weight::text(&self.kind) + weight::text(&self.environment);
        let granted = weight::shared(size_of::<(u64, ScopeSet)>()) + self.granted.load().1.weight();
        weight::shared(size_of::<Self>())
            + texts
            + weight::block(size_of_val(&*self.scopes))
            + scopes
            + granted
    }
}

impl Group {
    /// What it is, and not what a policy makes of it.
    fn name(&self) -> (&str, &str, &str, &[Box<str>]) {
        (&self.profile, &self.kind, &self.environment, &self.scopes)
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Group {}

impl Hash for Group {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}
