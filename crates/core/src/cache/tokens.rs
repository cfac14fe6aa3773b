//! Cache entries for tokens: users and token families, which the feed removes when they change; tokens with a
//! verified signature, which cannot change; and the signing keys in force.

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

/// A token whose signature is valid.
pub(crate) struct VerifiedToken {
    pub(crate) verified: Arc<VerifiedClaims>,
    /// The scopes, as the registry of this number numbers them.
    scopes: ArcSwap<(u64, ScopeSet)>,
}

impl VerifiedToken {
    pub(crate) fn new(verified: VerifiedClaims) -> Self {
        // The registry of number 0 has no scopes.
        Self { verified: Arc::new(verified), scopes: ArcSwap::from_pointee((0, ScopeSet::default())) }
    }

    /// Returns those of the granted scopes that the token carries.
    pub(crate) fn restrict(&self, granted: &ScopeSet, policy: &Policy) -> ScopeSet {
        let known = self.scopes.load();
        if known.0 == policy.scopes.number() {
            return known.1.intersection(granted);
        }
        let names: Vec<&str> = self.verified.claims.scopes().collect();
        let scopes = policy.scopes.resolve(&names);
        let trimmed = scopes.intersection(granted);
        self.scopes.store(Arc::new((policy.scopes.number(), scopes)));
        trimmed
    }
}

impl HeapSize for VerifiedToken {
    /// Returns the bytes of the claims and of a scope set of usual size: the scopes depend on the policy's
    /// version, and the size of an entry must not change.
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

/// Users, token families, verified tokens and signing keys of the cache.
pub(crate) struct TokenCache {
    pub(crate) users: BoundedCache<UserId, Cached<UserRecord>>,
    pub(crate) families: BoundedCache<FamilyId, TokenFamily>,
    verified: BoundedCache<Fingerprint, VerifiedToken>,
    fingerprinter: TokenFingerprinter,
    key_ring: ArcSwap<KeyRing>,
}

impl TokenCache {
    /// Returns an empty cache of at most `bytes` bytes for each type of entry.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            users: BoundedCache::new(bytes),
            families: BoundedCache::new(bytes),
            verified: BoundedCache::new(bytes),
            fingerprinter: TokenFingerprinter::new(),
            key_ring: ArcSwap::default(),
        }
    }

    /// Returns the verified token, or the fingerprint to insert it by.
    pub(crate) fn verified_token(&self, token: &str) -> Result<Arc<VerifiedToken>, Fingerprint> {
        let fingerprint = self.fingerprinter.fingerprint(token);
        self.verified.get(&fingerprint).ok_or(fingerprint)
    }

    /// Inserts a verified token.
    pub(crate) fn insert_verified(&self, fingerprint: Fingerprint, token: &Arc<VerifiedToken>) {
        self.verified.put(fingerprint, Arc::clone(token));
    }

    /// Returns the bytes of all entries.
    pub(super) fn bytes(&self) -> usize {
        self.users.bytes() + self.families.bytes() + self.verified.bytes()
    }

    /// Returns the numbers of users, families and verified tokens.
    pub(super) fn counts(&self) -> [usize; 3] {
        [self.users.len(), self.families.len(), self.verified.len()]
    }

    pub(crate) fn key_ring(&self) -> arc_swap::Guard<Arc<KeyRing>> {
        self.key_ring.load()
    }

    /// Replaces the key ring, unless the present one is newer. A ring's revision is read before its keys. Of
    /// two rings with one revision, the present one has therefore the same keys as the other, or newer ones.
    pub(super) fn set_key_ring(&self, key_ring: &Arc<KeyRing>) {
        self.key_ring.rcu(|present| {
            let newer = key_ring.revision > present.revision || present.revision == 0;
            Arc::clone(if newer { key_ring } else { present })
        });
    }

    /// Replaces the key ring, whatever its revision is.
    pub(super) fn replace_key_ring(&self, key_ring: Arc<KeyRing>) {
        self.key_ring.store(key_ring);
    }

    /// Removes users and families. The key ring stays, because it is only ever replaced.
    pub(super) fn clear(&self) {
        self.users.clear();
        self.families.clear();
    }
}
