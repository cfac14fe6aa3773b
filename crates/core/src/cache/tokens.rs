//! What is remembered for tokens: users and families, which the feed takes away when they change; tokens whose
//! signature was right, since that can't change; and the signing keys in force.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Cached;
use super::bounded_cache::{BoundedCache, HeapSize};
use super::fingerprint::{Fingerprint, TokenFingerprinter};
use crate::heap_size;
use crate::id::{FamilyId, UserId};
use crate::policy::Policy;
use crate::ports::TokenFamily;
use crate::scope::ScopeSet;
use crate::token::{KeyRing, VerifiedClaims};
use crate::user::UserRecord;

/// A token whose signature was right.
pub(crate) struct VerifiedToken {
    pub(crate) verified: Arc<VerifiedClaims>,
    scopes: ArcSwap<(u64, ScopeSet)>,
}

impl VerifiedToken {
    pub(crate) fn new(verified: VerifiedClaims) -> Self {
        // No profile has version 0.
        Self { verified: Arc::new(verified), scopes: ArcSwap::from_pointee((0, ScopeSet::default())) }
    }

    /// Of what is granted now, what the token carries.
    pub(crate) fn restrict(&self, granted: &ScopeSet, policy: &Policy) -> ScopeSet {
        let known = self.scopes.load();
        if known.0 == policy.version {
            return known.1.intersection(granted);
        }
        let names: Vec<&str> = self.verified.claims.scopes().collect();
        let scopes = policy.scopes.resolve(&names);
        let trimmed = scopes.intersection(granted);
        self.scopes.store(Arc::new((policy.version, scopes)));
        trimmed
    }
}

impl HeapSize for VerifiedToken {
    /// What its scopes come to by a policy changes, and a weight must not: a set of usual size is reckoned.
    fn heap_size(&self) -> usize {
        let verified = heap_size::shared(size_of::<VerifiedClaims>()) + self.verified.heap_size();
        verified + heap_size::shared(size_of::<(u64, ScopeSet)>())
    }
}

impl HeapSize for TokenFamily {
    fn heap_size(&self) -> usize {
        heap_size::text(&self.record.audience)
    }
}

/// Everything about tokens that is remembered.
pub(crate) struct TokenCache {
    pub(crate) users: BoundedCache<UserId, Cached<UserRecord>>,
    pub(crate) families: BoundedCache<FamilyId, TokenFamily>,
    verified: BoundedCache<Fingerprint, VerifiedToken>,
    fingerprinter: TokenFingerprinter,
    key_ring: ArcSwap<KeyRing>,
}

impl TokenCache {
    /// Of each sort at most so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            users: BoundedCache::new(bytes),
            families: BoundedCache::new(bytes),
            verified: BoundedCache::new(bytes),
            fingerprinter: TokenFingerprinter::new(),
            key_ring: ArcSwap::default(),
        }
    }

    /// A token that was verified before, or its mark, to remember it by.
    pub(crate) fn verified_token(&self, token: &str) -> Result<Arc<VerifiedToken>, Fingerprint> {
        let fingerprint = self.fingerprinter.fingerprint(token);
        self.verified.get(&fingerprint).ok_or(fingerprint)
    }

    /// Remembers a token that was verified.
    pub(crate) fn insert_verified(&self, fingerprint: Fingerprint, bearer: &Arc<VerifiedToken>) {
        self.verified.put(fingerprint, Arc::clone(bearer));
    }

    /// What all of it weighs.
    pub(super) fn bytes(&self) -> usize {
        self.users.bytes() + self.families.bytes() + self.verified.bytes()
    }

    /// Users, families and verified tokens.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [self.users.len(), self.families.len(), self.verified.len()]
    }

    pub(crate) fn key_ring(&self) -> arc_swap::Guard<Arc<KeyRing>> {
        self.key_ring.load()
    }

    /// An older ring never takes the place of a newer one. Its revision was read before its keys: of two with
    /// one revision, the one that is there has the same keys or newer ones than that revision's.
    pub(super) fn set_key_ring(&self, key_ring: &Arc<KeyRing>) {
        self.key_ring.rcu(|now| {
            let newer = key_ring.revision > now.revision || now.revision == 0;
            Arc::clone(if newer { key_ring } else { now })
        });
    }

    /// Whatever ring comes next is the newest.
    pub(super) fn clear_key_ring(&self) {
        self.key_ring.store(Arc::default());
    }

    /// The ring stays: it is replaced, never emptied.
    pub(super) fn clear(&self) {
        self.users.clear();
        self.families.clear();
    }
}
