//! What a replica remembers of the store, and how long it may trust that. The store alone is right: an entry
//! is a copy that the change feed takes away, and none is believed after the lease has run out.
//!
//! A fill that lost a race against a change must not bring the old state back. Two rules see to that: what
//! the feed removes while it is being loaded can't be put in afterwards (the cache's own placeholder), and
//! what was read at a revision older than one that the feed has since shown is dropped again.

mod tenants;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle, PlaceholderGuard};

use self::tenants::{TenantSlot, Tenants};
use crate::decision::{Principal, Standing};
use crate::policy::Policy;
use crate::ports::{Change, Changed, Found};
use crate::record::{KeyRecord, TenantRecord};
use crate::scope::ScopeSet;
use crate::secret::KeyHash;
use crate::time::Tick;

type State = foldhash::fast::RandomState;
type Known = Cache<KeyHash, Arc<Remembered>, UnitWeighter, State>;
/// The right to load a key, while others wait.
pub(crate) type Guard<'a> = PlaceholderGuard<
    'a,
    KeyHash,
    Arc<Remembered>,
    UnitWeighter,
    State,
    DefaultLifecycle<KeyHash, Arc<Remembered>>,
>;

/// A remembered key. Its tenant is shared with the tenant's other keys.
pub(crate) struct Remembered {
    tenant: Arc<TenantSlot>,
    standing: ArcSwap<Standing>,
}

impl Remembered {
    /// Who this is, unless the tenant has changed and must be read again.
    pub(crate) fn principal(&self) -> Option<Principal> {
        self.tenant.load().map(|tenant| self.principal_of(tenant))
    }

    /// Who this is, with its tenant as just read.
    pub(crate) fn principal_of(&self, tenant: Arc<TenantRecord>) -> Principal {
        Principal { tenant, key: self.standing.load_full() }
    }

    /// The same, with the scopes as the policy in force numbers them.
    pub(crate) fn resolve(&self, principal: Principal, policy: &Policy) -> Principal {
        if principal.key.version == policy.version {
            return principal;
        }
        let key = standing(principal.key.record.clone(), Some(policy));
        self.standing.store(Arc::clone(&key));
        Principal { key, ..principal }
    }
}

/// A key's scopes by a policy; by none, it has none.
pub(crate) fn standing(record: KeyRecord, policy: Option<&Policy>) -> Arc<Standing> {
    let granted = policy.map_or_else(ScopeSet::default, |p| p.scopes.known(&record.scopes));
    Arc::new(Standing { granted, version: policy.map_or(0, |p| p.version), record })
}

/// What looking into memory came to.
pub(crate) enum Recall<'a> {
    /// It is remembered.
    Known(Arc<Remembered>),
    /// It is remembered that there is no such key.
    Absent,
    /// Nobody knows yet, and this caller is to find out; others wait for it.
    Unknown(Guard<'a>),
}

/// A bounded memory of keys, and of values that are no key's.
pub struct Memory {
    known: Known,
    absent: Cache<KeyHash, (), UnitWeighter, State>,
    tenants: Tenants,
    seen: AtomicU64,
    trusted_until: AtomicU64,
}

impl Memory {
    /// Remembers at most so many keys, and so many values that are no key's. Trusts nothing yet.
    #[must_use]
    pub fn new(keys: usize, absent: usize) -> Self {
        Self {
            known: cache(keys),
            absent: cache(absent),
            tenants: Tenants::default(),
            seen: AtomicU64::new(0),
            trusted_until: AtomicU64::new(0),
        }
    }

    /// Trusts what is remembered until `tick`: the lease. It only ever moves on.
    pub fn trust_until(&self, tick: Tick) {
        self.trusted_until.fetch_max(tick.0, Ordering::SeqCst);
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
            // Entries notice a new version of their profile by its number.
            Changed::Profile(_) => {}
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
    }

    /// Begins anew at a revision, as after a gap in the feed, or a store that was set back.
    pub fn begin_at(&self, revision: u64) {
        // Before forgetting, as in `apply`.
        self.seen.store(revision, Ordering::SeqCst);
        self.forget_all();
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.known.len()
    }

    /// A remembered key, without waiting for one that is being loaded.
    pub(crate) fn get(&self, hash: &KeyHash) -> Option<Arc<Remembered>> {
        self.known.get(hash)
    }

    /// Looks a key up. One caller at a time is told to load it; if that one gives up, the next is told.
    pub(crate) async fn recall(&self, hash: &KeyHash) -> Recall<'_> {
        if self.absent.get(hash).is_some() {
            return Recall::Absent;
        }
        match self.known.get_value_or_guard_async(hash).await {
            Ok(known) => Recall::Known(known),
            // The one before may have found that there is none.
            Err(_) if self.absent.get(hash).is_some() => Recall::Absent,
            Err(guard) => Recall::Unknown(guard),
        }
    }

    /// Makes an entry of what was found. Its tenant is remembered with it.
    pub(crate) fn entry(&self, found: Found, policy: Option<&Policy>) -> Option<Arc<Remembered>> {
        let (key, tenant) = found.known?;
        let slot = self.tenants.put(tenant);
        if self.applied() > found.revision {
            slot.forget();
        }
        Some(Arc::new(Remembered { tenant: slot, standing: ArcSwap::new(standing(key, policy)) }))
    }

    /// Remembers what was loaded under `guard`, read at `revision`.
    pub(crate) fn fill(
        &self,
        guard: Guard<'_>,
        hash: &KeyHash,
        entry: Option<&Arc<Remembered>>,
        revision: u64,
    ) {
        let Some(entry) = entry else {
            self.absent.insert(*hash, ());
            if self.applied() > revision {
                self.absent.remove(hash);
            }
            return;
        };
        // Refused where the feed took the key away meanwhile: then this answer was for its asker alone.
        if guard.insert(Arc::clone(entry)).is_ok() && self.applied() > revision {
            self.known.remove(hash);
        }
    }
}

fn cache<V: Clone>(most: usize) -> Cache<KeyHash, V, UnitWeighter, State> {
    Cache::with(most, most as u64, UnitWeighter, State::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests;
