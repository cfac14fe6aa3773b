//! Cache of a replica: keys, tenants, users and tokens as they were read from the database. The database is
//! the only authority. An entry is a copy that the change feed invalidates, and no entry is used after the
//! lease has expired.
//!
//! A fill that lost a race against a change must not bring the old state back. Two rules prevent that. An
//! entry that the feed removes while it is being loaded cannot be inserted afterwards (`quick_cache`'s
//! placeholder). And an entry that was read at a revision older than the newest one of the feed is removed
//! again. What was read without a placeholder is inserted only if its revision is not older, and no change is applied
//! between this comparison and the insertion.
//!
//! A fill can also be ahead of the feed, and a database that loses commits may lose what was read and never applied. So the
//! states of fills are recorded until the follower has compared them with the feed.

mod absence;
pub(crate) mod applied_changes;
pub(crate) mod bounded_cache;
mod capacity;
mod entry;
mod fill;
pub(crate) mod fingerprint;
mod interner;
mod read_ahead;
mod stats;
mod tenants;
pub(crate) mod tokens;

/// Returns the size in bytes at which a table of shared values is swept for unused ones. `bytes` is its
/// present size and `max_bytes` the budget of keys and shared values together. Sweeps are frequent enough
/// that unused values take an eighth of the budget at most, and rare enough that they cost little for each
/// key.
fn sweep_threshold(bytes: usize, max_bytes: usize) -> usize {
    const LEAST: usize = 256 << 10;
    let spare = max_bytes / 8;
    bytes + bytes.clamp(LEAST.min(spare), spare)
}

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

pub(crate) use self::absence::Absence;
pub use self::applied_changes::{AppliedChanges, TakenAway};
use self::bounded_cache::{BoundedCache, HashState, LoadGuard, new_cache, slot_size};
use self::capacity::CapacityBudget;
pub use self::entry::Cached;
use self::interner::AttributeInterner;
use self::read_ahead::ReadAhead;
pub(crate) use self::read_ahead::{KeyRead, ReadStart};
pub use self::read_ahead::{ReadStates, RecordedReads};
use self::tenants::TenantSlots;
use self::tokens::TokenCache;
use crate::cached_key::CachedKey;
use crate::ports::{Change, ChangeSubject};
use crate::secret::KeyHash;
use crate::time::MonotonicInstant;
use crate::token::KeyRing;
use crate::token::jwks::Jwks;

/// Result of a lookup.
pub(crate) enum CacheLookup<'a> {
    /// The key is cached.
    Hit(Arc<Cached<CachedKey>>),
    /// The cache knows that no such key exists.
    NegativeHit,
    /// The cache has no entry for the key. This caller must load it; others wait for the result.
    Miss(LoadGuard<'a, KeyHash, Cached<CachedKey>>),
}

/// Cache of keys, of hashes that belong to no key, and of what tokens need. It is bounded in bytes.
pub struct ReplicaCache {
    keys: BoundedCache<KeyHash, Cached<CachedKey>>,
    negative: Cache<KeyHash, Absence, UnitWeighter, HashState>,
    tenants: TenantSlots,
    attributes: AttributeInterner,
    tokens: TokenCache,
    budget: CapacityBudget,
    applied: AtomicU64,
    changes: AppliedChanges,
    /// Locked exclusively while a change is applied or a key without a guard is inserted, and shared while another key or
    /// result is.
    changing: RwLock<()>,
    ahead: ReadAhead,
    reads: RecordedReads,
    resets: AtomicU64,
    lease_expiry: AtomicU64,
    closed: AtomicBool,
}

impl ReplicaCache {
    /// Returns an empty cache of about `bytes` bytes, without a lease. Three quarters are for keys and their
    /// tenants.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let (for_keys, others) = (bytes / 4 * 3, bytes / 16);
        Self {
            keys: BoundedCache::new(for_keys),
            negative: new_cache(others / slot_size::<KeyHash, Absence>(), 1, UnitWeighter),
            tenants: TenantSlots::new(for_keys),
            attributes: AttributeInterner::new(for_keys),
            tokens: TokenCache::new(others),
            budget: CapacityBudget::new(for_keys),
            applied: AtomicU64::new(0),
            changes: AppliedChanges::with_bytes(others),
            changing: RwLock::default(),
            ahead: ReadAhead::default(),
            reads: RecordedReads::default(),
            resets: AtomicU64::new(0),
            lease_expiry: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Extends the lease to `expiry`, unless it ends later already or the cache is closed.
    pub fn extend_lease(&self, expiry: MonotonicInstant) {
        if !self.closed.load(Ordering::SeqCst) {
            self.lease_expiry.fetch_max(expiry.0, Ordering::SeqCst);
        }
    }

    /// Ends the lease now. It can be extended again.
    pub fn end_lease(&self) {
        self.lease_expiry.store(0, Ordering::SeqCst);
    }

    /// Ends the lease permanently: no call that begins later is decided by this cache. A call of
    /// [`extend_lease`](Self::extend_lease) must not run at the same time.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.end_lease();
    }

    /// Returns the changes that the feed has shown, by subject.
    #[must_use]
    pub fn applied_changes(&self) -> &AppliedChanges {
        &self.changes
    }

    /// Returns the end of the lease; the origin of the clock if there was none yet.
    #[must_use]
    pub fn lease_expiry(&self) -> MonotonicInstant {
        MonotonicInstant(self.lease_expiry.load(Ordering::SeqCst))
    }

    /// Returns whether entries may be used now.
    #[must_use]
    pub fn lease_valid(&self, now: MonotonicInstant) -> bool {
        now.0 < self.lease_expiry.load(Ordering::SeqCst)
    }

    /// Removes the entries that a change of the feed has made invalid.
    pub fn apply(&self, change: &Change) {
        let _exclusive = self.changing.write().unwrap_or_else(PoisonError::into_inner);
        self.changes.record(change);
        // Set before the removal, so that a fill that misses the removal sees the new revision.
        self.set_applied(change.revision);
        match &change.subject {
            ChangeSubject::Key(hash) => {
                if !self.ahead.take(hash, change) {
                    self.keys.remove(hash);
                }
                self.negative.remove(hash);
            }
            ChangeSubject::Tenant(tenant) => self.tenants.invalidate(*tenant),
            // Entries notice a new version of their profile by its number. The follower sets the new key ring
            // before this revision counts as applied.
            ChangeSubject::Profile(_) | ChangeSubject::SigningKeys(_) => {}
            ChangeSubject::User(user) => self.tokens.users.remove(user),
            ChangeSubject::Family(family) => self.tokens.families.remove(family),
        }
    }

    /// Records that the feed was followed up to this revision.
    pub fn set_applied(&self, revision: u64) {
        self.applied.fetch_max(revision, Ordering::SeqCst);
    }

    /// Returns the newest revision that the feed has shown.
    #[must_use]
    pub fn applied_revision(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.ahead.clear();
        self.keys.clear();
        self.negative.clear();
        self.tenants.clear();
        self.tokens.clear();
    }

    /// Verifies tokens by these signing keys from now on, unless the cache has newer ones.
    pub fn set_key_ring(&self, key_ring: &Arc<KeyRing>) {
        self.tokens.set_key_ring(key_ring);
    }

    /// Returns the signing keys in force on this replica.
    #[must_use]
    pub fn key_ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.tokens.key_ring())
    }

    /// Returns the key set of a profile, or that of all profiles if none is named, as this replica knows it. Returns
    /// `None` if the profile has no signing keys.
    #[must_use]
    pub fn jwks(&self, profile: Option<&str>) -> Option<Arc<Jwks>> {
        let key_ring = self.tokens.key_ring();
        profile.map_or_else(|| Some(key_ring.jwks()), |profile| key_ring.jwks_of(profile))
    }

    /// Returns the part of the cache that tokens need.
    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// Removes all entries and continues at `revision` with these signing keys, as after a gap in the feed or a
    /// database that was restored to an earlier state. The signing keys are replaced in one step and are never
    /// missing.
    pub fn reset_to(&self, revision: u64, key_ring: Arc<KeyRing>) {
        let _exclusive = self.changing.write().unwrap_or_else(PoisonError::into_inner);
        // Set before the entries are removed, as in `apply`.
        self.resets.fetch_add(1, Ordering::SeqCst);
        self.applied.store(revision, Ordering::SeqCst);
        self.tokens.replace_key_ring(key_ring);
        self.reads.clear();
        self.clear();
    }

    /// Returns a cached key, without waiting for one that is being loaded.
    pub(crate) fn get(&self, hash: &KeyHash) -> Option<Arc<Cached<CachedKey>>> {
        self.keys.get(hash)
    }

    /// Looks up a key. One caller at a time gets the guard to load it; if it gives up, the next one gets it.
    pub(crate) async fn lookup(&self, hash: &KeyHash) -> CacheLookup<'_> {
        if self.negative.get(hash).is_some() {
            return CacheLookup::NegativeHit;
        }
        match self.keys.wait(hash).await {
            Ok(known) => CacheLookup::Hit(known),
            // The previous caller may have found that the key does not exist.
            Err(_) if self.negative.get(hash).is_some() => CacheLookup::NegativeHit,
            Err(guard) => CacheLookup::Miss(guard),
        }
    }
}

#[cfg(test)]
mod tests;
