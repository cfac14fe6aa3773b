//! What a replica remembers of the store, and how long it may trust that. The store alone is right: an entry
//! is a copy that the change feed takes away, and none is believed after the lease has run out.
//!
//! A fill that lost a race against a change must not bring the old state back. Two rules see to that: what
//! the feed removes while it is being loaded can't be put in afterwards (the cache's own placeholder), and
//! what was read at a revision older than one that the feed has since shown is dropped again.

pub(crate) mod bounded_cache;
mod capacity;
pub(crate) mod fingerprint;
mod interner;
mod stats;
mod tenants;
pub(crate) mod tokens;

/// When to look again for what no key shares any more, of what weighs so much now and may weigh `most`: often
/// enough that it takes an eighth at most, and seldom enough that looking costs little a key.
fn sweep_threshold(bytes: usize, max_bytes: usize) -> usize {
    const LEAST: usize = 256 << 10;
    let spare = max_bytes / 8;
    bytes + bytes.clamp(LEAST.min(spare), spare)
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use self::bounded_cache::{BoundedCache, HashState, HeapSize, LoadGuard, new_cache, slot_size};
use self::capacity::CapacityBudget;
use self::interner::AttributeInterner;
use self::tenants::{TenantSlot, TenantSlots};
use self::tokens::TokenCache;
use crate::cached_key::{CachedKey, SharedKeyAttributes};
use crate::ports::{Change, ChangeSubject, LookupResult};
use crate::record::{KeyRecord, TenantRecord};
use crate::secret::KeyHash;
use crate::time::MonotonicInstant;
use crate::token::KeyRing;
use crate::token::jwks::Jwks;
use crate::user::UserRecord;

/// A remembered key or user. Its tenant is shared with the tenant's others.
#[derive(Debug)]
pub struct Cached<R> {
    tenant: Arc<TenantSlot>,
    /// What is remembered of it.
    pub record: R,
}

impl<R> Cached<R> {
    /// The tenant, unless it has changed and must be read again.
    pub(crate) fn tenant(&self) -> Option<Arc<TenantRecord>> {
        self.tenant.load()
    }
}

impl Cached<CachedKey> {
    /// A key that isn't in anybody's memory.
    #[must_use]
    pub fn key(record: KeyRecord, tenant: &TenantRecord) -> Arc<Self> {
        let shared = Arc::new(SharedKeyAttributes::of(&tenant.profile, &record));
        Arc::new(Self { tenant: Arc::default(), record: CachedKey::new(record, shared) })
    }
}

impl Cached<UserRecord> {
    /// A user who isn't in anybody's memory.
    #[must_use]
    pub fn user(record: UserRecord) -> Arc<Self> {
        Arc::new(Self { tenant: Arc::default(), record })
    }
}

impl HeapSize for Cached<CachedKey> {
    fn heap_size(&self) -> usize {
        self.record.heap_size()
    }
}

impl HeapSize for Cached<UserRecord> {
    fn heap_size(&self) -> usize {
        self.record.heap_size()
    }
}

/// What looking into memory came to.
pub(crate) enum CacheLookup<'a> {
    /// It is remembered.
    Hit(Arc<Cached<CachedKey>>),
    /// It is remembered that there is no such key.
    NegativeHit,
    /// Nobody knows yet, and this caller is to find out; others wait for it.
    Miss(LoadGuard<'a, KeyHash, Cached<CachedKey>>),
}

/// A memory of keys, of values that are no key's, and of what tokens need. Bounded in bytes.
pub struct ReplicaCache {
    keys: BoundedCache<KeyHash, Cached<CachedKey>>,
    negative: Cache<KeyHash, (), UnitWeighter, HashState>,
    tenants: TenantSlots,
    attributes: AttributeInterner,
    tokens: TokenCache,
    budget: CapacityBudget,
    applied: AtomicU64,
    lease_expiry: AtomicU64,
}

impl ReplicaCache {
    /// Remembers what fits into so many bytes, about. Three quarters are for keys and their tenants. Trusts
    /// nothing yet.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let (for_keys, others) = (bytes / 4 * 3, bytes / 16);
        Self {
            keys: BoundedCache::new(for_keys),
            negative: new_cache(others / slot_size::<KeyHash, ()>(), 1, UnitWeighter),
            tenants: TenantSlots::new(for_keys),
            attributes: AttributeInterner::new(for_keys),
            tokens: TokenCache::new(others),
            budget: CapacityBudget::new(for_keys),
            applied: AtomicU64::new(0),
            lease_expiry: AtomicU64::new(0),
        }
    }

    /// Trusts what is remembered until `tick`: the lease. It only ever moves on.
    pub fn extend_lease(&self, tick: MonotonicInstant) {
        self.lease_expiry.fetch_max(tick.0, Ordering::SeqCst);
    }

    /// When the lease ends; the beginning of time, where there was none yet.
    #[must_use]
    pub fn lease_expiry(&self) -> MonotonicInstant {
        MonotonicInstant(self.lease_expiry.load(Ordering::SeqCst))
    }

    /// Whether memory may be believed now.
    #[must_use]
    pub fn lease_valid(&self, now: MonotonicInstant) -> bool {
        now.0 < self.lease_expiry.load(Ordering::SeqCst)
    }

    /// Takes away what a change of the feed has made untrue.
    pub fn apply(&self, change: &Change) {
        // Before the removal: a fill that misses the removal finds this instead.
        self.set_applied(change.revision);
        match &change.subject {
            ChangeSubject::Key(hash) => {
                self.keys.remove(hash);
                self.negative.remove(hash);
            }
            ChangeSubject::Tenant(tenant) => self.tenants.invalidate(*tenant),
            // Entries notice a new version of their profile by its number; and whoever follows the feed sets a
            // new ring of signing keys before this revision counts as applied.
            ChangeSubject::Profile(_) | ChangeSubject::SigningKeys(_) => {}
            ChangeSubject::User(user) => self.tokens.users.remove(user),
            ChangeSubject::Family(family) => self.tokens.families.remove(family),
        }
    }

    /// Notes that the feed has been followed to this revision.
    pub fn set_applied(&self, revision: u64) {
        self.applied.fetch_max(revision, Ordering::SeqCst);
    }

    /// The newest revision that the feed has shown.
    #[must_use]
    pub fn applied_revision(&self) -> u64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Forgets everything, as after a gap in the feed.
    pub fn clear(&self) {
        self.keys.clear();
        self.negative.clear();
        self.tenants.clear();
        self.tokens.clear();
    }

    /// Judges tokens by these signing keys from now on, unless newer ones are known.
    pub fn set_key_ring(&self, key_ring: &Arc<KeyRing>) {
        self.tokens.set_key_ring(key_ring);
    }

    /// The signing keys in force here.
    #[must_use]
    pub fn key_ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.tokens.key_ring())
    }

    /// The key set, as this replica knows it.
    #[must_use]
    pub fn jwks(&self) -> Arc<Jwks> {
        self.tokens.key_ring().jwks()
    }

    /// What is remembered for tokens.
    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.tokens
    }

    /// Begins anew at a revision, as after a gap in the feed, or a store that was set back.
    pub fn reset_to(&self, revision: u64) {
        // Before forgetting, as in `apply`.
        self.applied.store(revision, Ordering::SeqCst);
        self.tokens.clear_key_ring();
        self.clear();
    }

    /// A remembered key, without waiting for one that is being loaded.
    pub(crate) fn get(&self, hash: &KeyHash) -> Option<Arc<Cached<CachedKey>>> {
        self.keys.get(hash)
    }

    /// Looks a key up. One caller at a time is told to load it; if that one gives up, the next is told.
    pub(crate) async fn lookup(&self, hash: &KeyHash) -> CacheLookup<'_> {
        if self.negative.get(hash).is_some() {
            return CacheLookup::NegativeHit;
        }
        match self.keys.wait(hash).await {
            Ok(known) => CacheLookup::Hit(known),
            // The one before may have found that there is none.
            Err(_) if self.negative.get(hash).is_some() => CacheLookup::NegativeHit,
            Err(guard) => CacheLookup::Miss(guard),
        }
    }

    /// Makes an entry of a key that was found. Its tenant is remembered with it.
    pub(crate) fn key_entry(&self, found: LookupResult) -> Option<Arc<Cached<CachedKey>>> {
        let (record, tenant) = found.entry?;
        let shared = self.attributes.intern(SharedKeyAttributes::of(&tenant.profile, &record));
        let tenant = self.slot(tenant, found.revision);
        Some(Arc::new(Cached { tenant, record: CachedKey::new(record, shared) }))
    }

    /// Makes an entry of a user who was found. The tenant is remembered with it.
    pub(crate) fn user_entry(&self, found: LookupResult<UserRecord>) -> Option<Arc<Cached<UserRecord>>> {
        let (record, tenant) = found.entry?;
        Some(Arc::new(Cached { tenant: self.slot(tenant, found.revision), record }))
    }

    fn slot(&self, tenant: TenantRecord, revision: u64) -> Arc<TenantSlot> {
        let slot = self.tenants.put(tenant);
        if self.applied_revision() > revision {
            self.tenants.clear_slot(&slot);
        }
        // What keys share takes of their room.
        if let Some(bytes) = self.budget.resized(self.tenants.bytes() + self.attributes.bytes()) {
            self.keys.resize(bytes);
        }
        slot
    }

    /// Remembers what was loaded under `guard`, read at `revision`; that there is none, too.
    pub(crate) fn fill(
        &self,
        guard: LoadGuard<'_, KeyHash, Cached<CachedKey>>,
        hash: &KeyHash,
        entry: Option<&Arc<Cached<CachedKey>>>,
        revision: u64,
    ) {
        let Some(entry) = entry else {
            self.negative.insert(*hash, ());
            if self.applied_revision() > revision {
                self.negative.remove(hash);
            }
            return;
        };
        self.keys.fill(guard, hash, entry, || self.applied_revision() > revision);
    }
}

#[cfg(test)]
mod tests;
