//! Entries of the cache.

use std::sync::Arc;

use super::bounded_cache::HeapSize;
use super::tenants::TenantSlot;
use crate::cached_key::{CachedKey, SharedKeyAttributes};
use crate::record::{KeyRecord, TenantRecord};
use crate::user::UserRecord;

/// A cached key or user. Its tenant is shared with the tenant's other entries.
#[derive(Debug)]
pub struct Cached<R> {
    pub(super) tenant: Arc<TenantSlot>,
    /// The key or user.
    pub record: R,
}

impl<R> Cached<R> {
    /// Returns the tenant; `None` if it has changed and must be read again.
    pub(crate) fn tenant(&self) -> Option<Arc<TenantRecord>> {
        self.tenant.load()
    }
}

impl Cached<CachedKey> {
    /// Returns a key that is in no cache.
    #[must_use]
    pub fn key(record: KeyRecord, tenant: &TenantRecord) -> Arc<Self> {
        let shared = Arc::new(SharedKeyAttributes::of(&tenant.profile, &record));
        Arc::new(Self { tenant: Arc::default(), record: CachedKey::new(record, shared) })
    }
}

impl Cached<UserRecord> {
    /// Returns a user that is in no cache.
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
