//! Tenants of the cache, one slot each. All cached keys of a tenant share its slot, so that suspending a
//! tenant is one write here, however many keys it has.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;

use super::sweep_threshold;
use crate::id::TenantId;
use crate::record::TenantRecord;

/// A tenant as it was last read; empty if it has changed since.
#[derive(Debug, Default)]
pub(super) struct TenantSlot(ArcSwapOption<TenantRecord>);

impl TenantSlot {
    pub(super) fn load(&self) -> Option<Arc<TenantRecord>> {
        self.0.load_full()
    }

    /// Replaces the tenant and returns the heap bytes of the previous one.
    fn swap(&self, tenant: Option<Arc<TenantRecord>>) -> usize {
        self.0.swap(tenant).map_or(0, |tenant| tenant.heap_size())
    }
}

/// Bytes of an empty slot, with its entry in the table.
const EMPTY_SLOT_BYTES: usize = size_of::<(TenantId, Arc<TenantSlot>)>() * 2 + 4 * size_of::<usize>();

/// Tenants of all cached keys and users.
pub(super) struct TenantSlots {
    /// Locked exclusively while a change is applied, and shared while a tenant is stored.
    slots: RwLock<SlotTable>,
    bytes: AtomicUsize,
    max_bytes: usize,
}

struct SlotTable {
    table: HashMap<TenantId, Arc<TenantSlot>>,
    sweep_threshold: usize,
}

impl TenantSlots {
    /// Returns an empty table. Keys and their tenants together may have `max_bytes` bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        let slots = SlotTable { table: HashMap::new(), sweep_threshold: sweep_threshold(0, max_bytes) };
        Self { slots: RwLock::new(slots), bytes: AtomicUsize::new(0), max_bytes }
    }

    /// Stores a tenant that was read, unless it is `stale`: read at a revision older than one that the feed has shown
    /// since. The slot is then left as it is, since other keys of the tenant use it. No change is applied between the
    /// question and the storing.
    pub(super) fn put(&self, tenant: TenantRecord, stale: impl FnOnce() -> bool) -> Arc<TenantSlot> {
        let slot = self.slot(tenant.id);
        let _shared = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        if !stale() {
            self.bytes.fetch_add(tenant.heap_size(), Ordering::Relaxed);
            self.subtract_bytes(slot.swap(Some(Arc::new(tenant))));
        }
        slot
    }

    /// Clears the slot of a tenant that has changed, so that it is read again.
    pub(super) fn invalidate(&self, tenant: TenantId) {
        let slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.table.get(&tenant) {
            self.clear_slot(slot);
        }
    }

    fn clear_slot(&self, slot: &TenantSlot) {
        self.subtract_bytes(slot.swap(None));
    }

    pub(super) fn clear(&self) {
        let slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.table.values().for_each(|slot| self.clear_slot(slot));
    }

    /// Returns the bytes of all slots.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn subtract_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn slot(&self, tenant: TenantId) -> Arc<TenantSlot> {
        if let Some(slot) = self.slots.read().unwrap_or_else(PoisonError::into_inner).table.get(&tenant) {
            return Arc::clone(slot);
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if self.bytes() >= slots.sweep_threshold {
            self.sweep(&mut slots);
        }
        let slot = slots.table.entry(tenant).or_insert_with(|| {
            self.bytes.fetch_add(EMPTY_SLOT_BYTES, Ordering::Relaxed);
            Arc::default()
        });
        Arc::clone(slot)
    }

    /// Drops the slots that no cached entry refers to.
    fn sweep(&self, slots: &mut SlotTable) {
        slots.table.retain(|_, slot| {
            let used = Arc::strong_count(slot) > 1;
            if !used {
                self.subtract_bytes(EMPTY_SLOT_BYTES + slot.swap(None));
            }
            used
        });
        slots.sweep_threshold = sweep_threshold(self.bytes(), self.max_bytes);
    }
}
