//! Tenants, one slot each, shared by their remembered keys: suspending a tenant is one write here, however
//! many keys it has.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;

use crate::id::TenantId;
use crate::record::TenantRecord;

/// A tenant as it was last read; nothing where it has changed since.
#[derive(Default)]
pub(super) struct TenantSlot(ArcSwapOption<TenantRecord>);

impl TenantSlot {
    pub(super) fn load(&self) -> Option<Arc<TenantRecord>> {
        self.0.load_full()
    }

    pub(super) fn forget(&self) {
        self.0.store(None);
    }
}

/// Slots that no key refers to are dropped when there are this many.
const SWEEP_FROM: usize = 1_024;

/// Every tenant that a remembered key belongs to.
#[derive(Default)]
pub(super) struct Tenants(RwLock<HashMap<TenantId, Arc<TenantSlot>>>);

impl Tenants {
    /// Remembers a tenant as it was just read.
    pub(super) fn put(&self, tenant: TenantRecord) -> Arc<TenantSlot> {
        let slot = self.slot(tenant.id);
        slot.0.store(Some(Arc::new(tenant)));
        slot
    }

    pub(super) fn forget(&self, tenant: TenantId) {
        let slots = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&tenant) {
            slot.forget();
        }
    }

    pub(super) fn forget_all(&self) {
        let slots = self.0.read().unwrap_or_else(PoisonError::into_inner);
        slots.values().for_each(|slot| slot.forget());
    }

    fn slot(&self, tenant: TenantId) -> Arc<TenantSlot> {
        if let Some(slot) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&tenant) {
            return Arc::clone(slot);
        }
        let mut slots = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SWEEP_FROM && slots.len().is_power_of_two() {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(tenant).or_default())
    }
}
