//! What a replica remembers of the store, and how long it may trust that. The store alone is right: an entry
//! is a copy that the change feed takes away, and none is believed after the lease has run out.
//!
//! A fill that lost a race against a change must not bring the old state back. Two rules see to that: what
//! the feed removes while it is being loaded can't be put in afterwards (the cache's own placeholder), and
//! what was read at a revision older than one that the feed has since shown is dropped again.

pub(crate) mod mark;
pub(crate) mod shelf;
mod tenants;
pub(crate) mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;

use self::shelf::{Guard, Shelf, State, cache};
use self::tenants::{TenantSlot, Tenants};
use self::tokens::TokenMemory;
use crate::policy::Policy;
use crate::ports::{Change, Changed, Found};
use crate::principal::Standing;
use crate::record::{KeyRecord, TenantRecord};
use crate::scope::ScopeSet;
use crate::secret::KeyHash;
use crate::time::Tick;
use crate::token::Ring;
use crate::token::jwks::Jwks;
use crate::user::UserRecord;

/// A remembered key or user. Its tenant is shared with the tenant's others.
pub(crate) struct Remembered<R> {
    tenant: Arc<TenantSlot>,
    standing: ArcSwap<Standing<R>>,
}

impl<R: Granted> Remembered<R> {
    /// The tenant, unless it has changed and must be read again.
    pub(crate) fn tenant(&self) -> Option<Arc<TenantRecord>> {
        self.tenant.load()
    }

    /// The key or user, with its scopes as the policy in force numbers them; by no policy, as they were.
    pub(crate) fn standing(&self, policy: Option<&Policy>) -> Arc<Standing<R>> {
        let standing = self.standing.load_full();
        if policy.is_none_or(|policy| policy.version == standing.version) {
            return standing;
        }
        let standing = stand(standing.record.clone(), policy);
        self.standing.store(Arc::clone(&standing));
        standing
    }
}

/// What is granted scopes by a policy.
pub(crate) trait Granted: Clone {
    /// Its scopes, as the policy numbers them.
    fn granted(&self, policy: &Policy) -> ScopeSet;
}

impl Granted for KeyRecord {
    fn granted(&self, policy: &Policy) -> ScopeSet {
        policy.scopes.known(&self.scopes)
    }
}

impl Granted for UserRecord {
    fn granted(&self, policy: &Policy) -> ScopeSet {
        policy.roles.get(&self.role).cloned().unwrap_or_default()
    }
}

/// A key's or a user's scopes by a policy; by none, it has none.
pub(crate) fn stand<R: Granted>(record: R, policy: Option<&Policy>) -> Arc<Standing<R>> {
    let granted = policy.map_or_else(ScopeSet::default, |p| record.granted(p));
    Arc::new(Standing { granted, version: policy.map_or(0, |p| p.version), record })
}

/// What looking into memory came to.
pub(crate) enum Recall<'a> {
    /// It is remembered.
    Known(Arc<Remembered<KeyRecord>>),
    /// It is remembered that there is no such key.
    Absent,
    /// Nobody knows yet, and this caller is to find out; others wait for it.
    Unknown(Guard<'a, KeyHash, Remembered<KeyRecord>>),
}

/// A bounded memory of keys, and of values that are no key's.
pub struct Memory {
    known: Shelf<KeyHash, Remembered<KeyRecord>>,
    absent: Cache<KeyHash, (), UnitWeighter, State>,
    tenants: Tenants,
    tokens: TokenMemory,
    seen: AtomicU64,
    trusted_until: AtomicU64,
}

impl Memory {
    /// Remembers at most so many keys, and so many values that are no key's. Trusts nothing yet.
    #[must_use]
    pub fn new(keys: usize, absent: usize) -> Self {
        Self {
            known: Shelf::new(keys),
            absent: cache(absent),
            tenants: Tenants::default(),
            tokens: TokenMemory::new(keys),
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

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.known.len()
    }

    /// A remembered key, without waiting for one that is being loaded.
    pub(crate) fn get(&self, hash: &KeyHash) -> Option<Arc<Remembered<KeyRecord>>> {
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

    /// Makes an entry of what was found. Its tenant is remembered with it.
    pub(crate) fn entry<R: Granted>(
        &self,
        found: Found<R>,
        policy: Option<&Policy>,
    ) -> Option<Arc<Remembered<R>>> {
        let (record, tenant) = found.known?;
        // Another profile numbers its scopes in another way.
        let policy = policy.filter(|p| *p.name == *tenant.profile);
        let slot = self.tenants.put(tenant);
        if self.applied() > found.revision {
            slot.forget();
        }
        Some(Arc::new(Remembered { tenant: slot, standing: ArcSwap::new(stand(record, policy)) }))
    }

    /// Remembers what was loaded under `guard`, read at `revision`; that there is none, too.
    pub(crate) fn fill(
        &self,
        guard: Guard<'_, KeyHash, Remembered<KeyRecord>>,
        hash: &KeyHash,
        entry: Option<&Arc<Remembered<KeyRecord>>>,
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
