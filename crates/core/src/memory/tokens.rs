//! What is remembered for tokens: users and families, which the feed takes away when they change; tokens whose
//! signature was right, since that can't change; and the signing keys in force.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Remembered;
use super::mark::{Mark, Marker};
use super::shelf::{Shelf, Weighed};
use crate::id::{FamilyId, UserId};
use crate::policy::Policy;
use crate::ports::KnownFamily;
use crate::scope::ScopeSet;
use crate::token::{Ring, Verified};
use crate::user::UserRecord;
use crate::weight;

/// A token whose signature was right.
pub(crate) struct Bearer {
    pub(crate) verified: Arc<Verified>,
    scopes: ArcSwap<(u64, ScopeSet)>,
}

impl Bearer {
    pub(crate) fn new(verified: Verified) -> Self {
        // No profile has version 0.
        Self { verified: Arc::new(verified), scopes: ArcSwap::from_pointee((0, ScopeSet::default())) }
    }

    /// Of what is granted now, what the token carries.
    pub(crate) fn trim(&self, granted: &ScopeSet, policy: &Policy) -> ScopeSet {
        let known = self.scopes.load();
        if known.0 == policy.version {
            return known.1.intersection(granted);
        }
        let names: Vec<&str> = self.verified.claims.scopes().collect();
        let scopes = policy.scopes.known(&names);
        let trimmed = scopes.intersection(granted);
        self.scopes.store(Arc::new((policy.version, scopes)));
        trimmed
    }
}

impl Weighed for Bearer {
    /// What its scopes come to by a policy changes, and a weight must not: a set of usual size is reckoned.
    fn weight(&self) -> usize {
        let verified = weight::shared(size_of::<Verified>()) + self.verified.weight();
        verified + weight::shared(size_of::<(u64, ScopeSet)>())
    }
}

impl Weighed for KnownFamily {
    fn weight(&self) -> usize {
        weight::text(&self.record.audience)
    }
}

/// Everything about tokens that is remembered.
pub(crate) struct TokenMemory {
    pub(crate) users: Shelf<UserId, Remembered<UserRecord>>,
    pub(crate) families: Shelf<FamilyId, KnownFamily>,
    bearers: Shelf<Mark, Bearer>,
    marker: Marker,
    ring: ArcSwap<Ring>,
}

impl TokenMemory {
    /// Of each sort at most so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            users: Shelf::new(bytes),
            families: Shelf::new(bytes),
            bearers: Shelf::new(bytes),
            marker: Marker::new(),
            ring: ArcSwap::default(),
        }
    }

    /// A token that was verified before, or its mark, to remember it by.
    pub(crate) fn bearer(&self, token: &str) -> Result<Arc<Bearer>, Mark> {
        let mark = self.marker.mark(token);
        self.bearers.get(&mark).ok_or(mark)
    }

    /// Remembers a token that was verified.
    pub(crate) fn remember(&self, mark: Mark, bearer: &Arc<Bearer>) {
        self.bearers.put(mark, Arc::clone(bearer));
    }

    /// What all of it weighs.
    pub(super) fn bytes(&self) -> usize {
        self.users.bytes() + self.families.bytes() + self.bearers.bytes()
    }

    /// Users, families and verified tokens.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [self.users.len(), self.families.len(), self.bearers.len()]
    }

    pub(crate) fn ring(&self) -> arc_swap::Guard<Arc<Ring>> {
        self.ring.load()
    }

    /// An older ring never takes the place of a newer one. Its revision was read before its keys: of two with
    /// one revision, the one that is there has the same keys or newer ones than that revision's.
    pub(super) fn set_ring(&self, ring: &Arc<Ring>) {
        self.ring.rcu(|now| {
            let newer = ring.revision > now.revision || now.revision == 0;
            Arc::clone(if newer { ring } else { now })
        });
    }

    /// Whatever ring comes next is the newest.
    pub(super) fn forget_ring(&self) {
        self.ring.store(Arc::default());
    }

    /// The ring stays: it is replaced, never emptied.
    pub(super) fn forget_all(&self) {
        self.users.clear();
        self.families.clear();
    }
}
