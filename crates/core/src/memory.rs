//! What a replica remembers of the store, and how long it may trust that. The store alone is right: an entry
//! is a copy that the change feed takes away, and none is believed after the lease has run out.
//!
//! A fill that lost a race against a change must not bring the old state back. Two rules see to that: what
//! the feed removes while it is being loaded can't be put in afterwards (the cache's own placeholder), and
//! what was read at a revision older than one that the feed has since shown is dropped again.

mod groups;
pub(crate) mod mark;
mod room;
pub(crate) mod shelf;
mod sizes;
mod tenants;
pub(crate) mod tokens;

/// When to look again for what no key shares any more, of what weighs so much now and may weigh `most`: often
/// enough that it takes an eighth at most, and seldom enough that looking costs little a key.
fn sweep_at(bytes: usize, most: usize) -> usize {
    const LEAST: usize = 256 << 10;
    let spare = most / 8;
    bytes + bytes.clamp(LEAST.min(spare), spare)
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use self::groups::Groups;
use self::room::Room;
use self::shelf::{Guard, Shelf, State, Weighed, cache, place};
use self::tenants::{TenantSlot, Tenants};
use self::tokens::TokenMemory;
use crate::brief::{Group, KeyBrief};
use crate::ports::{Change, Changed, Found};
use crate::record::{KeyRecord, TenantRecord};
use crate::secret::KeyHash;
use crate::time::Tick;
use crate::token::Ring;
use crate::token::jwks::Jwks;
use crate::user::UserRecord;

/// A remembered key or user. Its tenant is shared with the tenant's others.
#[derive(Debug)]
pub struct Remembered<R> {
    tenant: Arc<TenantSlot>,
    /// What is remembered of it.
    pub record: R,
}

impl<R> Remembered<R> {
    /// The tenant, unless it has changed and must be read again.
    pub(crate) fn tenant(&self) -> Option<Arc<TenantRecord>> {
        self.tenant.load()
    }
}

impl Remembered<KeyBrief> {
    /// A key that isn't in anybody's memory.
    #[must_use]
    pub fn key(record: KeyRecord, tenant: &TenantRecord) -> Arc<Self> {
        let group = Arc::new(Group::of(&tenant.profile, &record));
        Arc::new(Self { tenant: Arc::default(), record: KeyBrief::new(record, group) })
    }
}

impl Remembered<UserRecord> {
    /// A user who isn't in anybody's memory.
    #[must_use]
    pub fn user(record: UserRecord) -> Arc<Self> {
        Arc::new(Self { tenant: Arc::default(), record })
    }
}

impl Weighed for Remembered<KeyBrief> {
    fn weight(&self) -> usize {
        self.record.weight()
    }
}

impl Weighed for Remembered<UserRecord> {
    fn weight(&self) -> usize {
        self.record.weight()
    }
}

/// What looking into memory came to.
pub(crate) enum Recall<'a> {
    /// It is remembered.
    Known(Arc<Remembered<KeyBrief>>),
    /// It is remembered that there is no such key.
    Absent,
    /// Nobody knows yet, and this caller is to find out; others wait for it.
    Unknown(Guard<'a, KeyHash, Remembered<KeyBrief>>),
}

/// A memory of keys, of values that are no key's, and of what tokens need. Bounded in bytes.
pub struct Memory {
    known: Shelf<KeyHash, Remembered<KeyBrief>>,
    absent: Cache<KeyHash, (), UnitWeighter, State>,
    tenants: Tenants,
    groups: Groups,
    tokens: TokenMemory,
    room: Room,
    seen: AtomicU64,
    trusted_until: AtomicU64,
}

impl Memory {
    /// Remembers what fits into so many bytes, about. Three quarters are for keys and their tenants. Trusts
    /// nothing yet.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let (keys, others) = (bytes / 4 * 3, bytes / 16);
        Self {
            known: Shelf::new(keys),
            absent: cache(others / place::<KeyHash, ()>(), 1, UnitWeighter),
            tenants: Tenants::new(keys),
            groups: Groups::new(keys),
            tokens: TokenMemory::new(others),
            room: Room::new(keys),
            seen: AtomicU64::new(0),
            trusted_until: AtomicU64::new(0),
        }
    }

    /// Trusts what is remembered until `tick`: the lease. It only ever moves on.
    pub fn trust_until(&self, tick: Tick) {
        self.trusted_until.fetch_max(tick.0, Ordering::SeqCst);
    }

    /// When the lease ends; the beginning of time, where there was none yet.
    #[must_use]
    pub fn trusted_until(&self) -> Tick {
        Tick(self.trusted_until.load(Ordering::SeqCst))
    }

    /// Whether memory may be believed now.
    #[must_use]
    pub fn trusted(&self, now: Tick) -> bool {
        now.0 < self.trusted_until.load(Ordering::SeqCst)
    }

    /// Takes away what a change of the feed has made untrue.
    pub fn apply(&self, change: &Change) {
        // Before the removal: a fill that misses the removal finds this instead.
        self.applied_up_to(change.revision);
        match &change.subject {
            Changed::Key(hash) => {
                self.known.remove(hash);
                self.absent.remove(hash);
            }
            Changed::Tenant(tenant) => self.tenants.forget(*tenant),
            // Entries notice a new version of their profile by its number; and whoever follows the feed sets a
            // new ring of signing keys before this revision counts as applied.
            Changed::Profile(_) | Changed::SigningKeys(_) => {}
            Changed::User(user) => self.tokens.users.remove(user),
            Changed::Family(family) => self.tokens.families.remove(family),
        }
    }

    /// Notes that the feed has been followed to this revision.
    pub fn applied_up_to(&self, revision: u64) {
        self.seen.fetch_max(revision, Ordering::SeqCst);
    }

    /// The newest revision that the feed has shown.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }

    /// Forgets everything, as after a gap in the feed.
    pub fn forget_all(&self) {
        self.known.clear();
        self.absent.clear();
        self.tenants.forget_all();
        self.tokens.forget_all();
    }

    /// Judges tokens by these signing keys from now on, unless newer ones are known.
    pub fn set_ring(&self, ring: &Arc<Ring>) {
        self.tokens.set_ring(ring);
    }

    /// The signing keys in force here.
    #[must_use]
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.tokens.ring())
    }

    /// The key set, as this replica knows it.
    #[must_use]
    pub fn jwks(&self) -> Arc<Jwks> {
        self.tokens.ring().jwks()
    }

    /// What is remembered for tokens.
    pub(crate) fn tokens(&self) -> &TokenMemory {
        &self.tokens
    }

    /// Begins anew at a revision, as after a gap in the feed, or a store that was set back.
    pub fn begin_at(&self, revision: u64) {
        // Before forgetting, as in `apply`.
        self.seen.store(revision, Ordering::SeqCst);
        self.tokens.forget_ring();
        self.forget_all();
    }

    /// A remembered key, without waiting for one that is being loaded.
    pub(crate) fn get(&self, hash: &KeyHash) -> Option<Arc<Remembered<KeyBrief>>> {
        self.known.get(hash)
    }

    /// Looks a key up. One caller at a time is told to load it; if that one gives up, the next is told.
    pub(crate) async fn recall(&self, hash: &KeyHash) -> Recall<'_> {
        if self.absent.get(hash).is_some() {
            return Recall::Absent;
        }
        match self.known.wait(hash).await {
            Ok(known) => Recall::Known(known),
            // The one before may have found that there is none.
            Err(_) if self.absent.get(hash).is_some() => Recall::Absent,
            Err(guard) => Recall::Unknown(guard),
        }
    }

    /// Makes an entry of a key that was found. Its tenant is remembered with it.
    pub(crate) fn key_entry(&self, found: Found) -> Option<Arc<Remembered<KeyBrief>>> {
        let (record, tenant) = found.known?;
        let group = self.groups.shared(Group::of(&tenant.profile, &record));
        let tenant = self.slot(tenant, found.revision);
        Some(Arc::new(Remembered { tenant, record: KeyBrief::new(record, group) }))
    }

    /// Makes an entry of a user who was found. The tenant is remembered with it.
    pub(crate) fn user_entry(&self, found: Found<UserRecord>) -> Option<Arc<Remembered<UserRecord>>> {
        let (record, tenant) = found.known?;
        Some(Arc::new(Remembered { tenant: self.slot(tenant, found.revision), record }))
    }

    fn slot(&self, tenant: TenantRecord, revision: u64) -> Arc<TenantSlot> {
        let slot = self.tenants.put(tenant);
        if self.applied() > revision {
            self.tenants.empty(&slot);
        }
        // What keys share takes of their room.
        if let Some(bytes) = self.room.left(self.tenants.bytes() + self.groups.bytes()) {
            self.known.resize(bytes);
        }
        slot
    }

    /// Remembers what was loaded under `guard`, read at `revision`; that there is none, too.
    pub(crate) fn fill(
        &self,
        guard: Guard<'_, KeyHash, Remembered<KeyBrief>>,
        hash: &KeyHash,
        entry: Option<&Arc<Remembered<KeyBrief>>>,
        revision: u64,
    ) {
        let Some(entry) = entry else {
            self.absent.insert(*hash, ());
            if self.applied() > revision {
                self.absent.remove(hash);
            }
            return;
        };
        self.known.fill(guard, hash, entry, || self.applied() > revision);
    }
}

#[cfg(test)]
mod tests;
