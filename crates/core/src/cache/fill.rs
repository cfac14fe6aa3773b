//! Insertion of what look-ups have read.

use std::sync::{Arc, PoisonError};

use super::bounded_cache::LoadGuard;
use super::read_ahead::{KeyRead, ReadStart};
use super::tenants::TenantSlot;
use super::{Absence, Cached, ReplicaCache};
use crate::cached_key::{CachedKey, SharedKeyAttributes};
use crate::ports::LookupResult;
use crate::record::TenantRecord;
use crate::secret::KeyHash;
use crate::user::UserRecord;

impl ReplicaCache {
    /// Returns an entry for a key that was read, and caches its tenant.
    pub(crate) fn key_entry(&self, start: ReadStart, result: LookupResult) -> Option<Arc<Cached<CachedKey>>> {
        let (record, tenant) = result.entry?;
        let shared = self.attributes.intern(SharedKeyAttributes::of(&tenant.profile, &record));
        let tenant = self.slot(tenant, start, result.read_at.revision);
        Some(Arc::new(Cached { tenant, record: CachedKey::new(record, shared) }))
    }

    /// Returns an entry for a user that was read, and caches the tenant.
    pub(crate) fn user_entry(
        &self,
        start: ReadStart,
        result: LookupResult<UserRecord>,
    ) -> Option<Arc<Cached<UserRecord>>> {
        let (record, tenant) = result.entry?;
        Some(Arc::new(Cached { tenant: self.slot(tenant, start, result.read_at.revision), record }))
    }

    fn slot(&self, tenant: TenantRecord, start: ReadStart, revision: u64) -> Arc<TenantSlot> {
        let slot = self.tenants.put(tenant, || self.is_stale(start, revision));
        // Values that keys share reduce the bytes that are left for keys.
        if let Some(bytes) = self.budget.resized(self.tenants.bytes() + self.attributes.bytes()) {
            self.keys.resize(bytes);
        }
        slot
    }

    /// Inserts the result of a query made under `guard` and read at `revision`. If the key does not exist,
    /// inserts a negative entry. The key was last changed at `changed_at`.
    pub(crate) fn fill(
        &self,
        guard: LoadGuard<'_, KeyHash, Cached<CachedKey>>,
        hash: &KeyHash,
        entry: Option<&Arc<Cached<CachedKey>>>,
        KeyRead { start, revision, changed_at }: KeyRead,
    ) {
        // So that no change is applied between the note that the entry has it and the insertion of the entry, which is
        // refused if a late result is there.
        let _no_change = self.changing.read().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entry else {
            self.negative.insert(*hash, Absence::Now);
            if self.is_stale(start, revision) {
                self.negative.remove(hash);
            }
            return;
        };
        let ahead = changed_at > self.applied_revision() && !self.is_stale(start, revision);
        if ahead {
            self.ahead.insert(*hash, changed_at);
        }
        if !self.keys.fill(guard, hash, entry, || self.is_stale(start, revision)) && ahead {
            self.ahead.remove(hash, changed_at);
        }
    }

    /// Caches a key that was read without a guard, unless the read is older than what the feed has shown since, or an entry
    /// is there, which may be newer.
    pub(crate) fn insert_late_key(
        &self,
        hash: &KeyHash,
        entry: Option<&Arc<Cached<CachedKey>>>,
        read: KeyRead,
    ) {
        let KeyRead { start, revision, changed_at } = read;
        // Exclusive, so that no other entry is inserted between the question whether there is one and the insertion.
        let _exclusive = self.changing.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_stale(start, revision) || self.keys.get(hash).is_some() {
            return;
        }
        let Some(entry) = entry else { return self.negative.insert(*hash, Absence::Now) };
        // A note that is left of an evicted entry is not true of this one.
        self.ahead.forget(hash);
        if changed_at > self.applied_revision() {
            self.ahead.insert(*hash, changed_at);
        }
        self.keys.put(*hash, Arc::clone(entry));
    }

    /// Inserts what was read without a guard by `insert`, unless the read is older than what the feed has shown since.
    pub(crate) fn insert_late(&self, start: ReadStart, revision: u64, insert: impl FnOnce()) {
        let _no_change = self.changing.read().unwrap_or_else(PoisonError::into_inner);
        if !self.is_stale(start, revision) {
            insert();
        }
    }
}
