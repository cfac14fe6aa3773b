//! What remembered keys have in common, once: of a million keys, most are of a few kinds, environments and sets
//! of scopes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::sweep_threshold;
use crate::cached_key::SharedKeyAttributes;

/// Every group that a remembered key is of.
pub(super) struct AttributeInterner {
    known: RwLock<Interned>,
    bytes: AtomicUsize,
    max_bytes: usize,
}

struct Interned {
    attributes: HashSet<Arc<SharedKeyAttributes>>,
    sweep_threshold: usize,
}

/// Its place in the table.
const TABLE_ENTRY_BYTES: usize = 3 * size_of::<Arc<SharedKeyAttributes>>();

impl AttributeInterner {
    /// None yet. With their keys, they may weigh `most`.
    pub(super) fn new(max_bytes: usize) -> Self {
        let known = Interned { attributes: HashSet::new(), sweep_threshold: sweep_threshold(0, max_bytes) };
        Self { known: RwLock::new(known), bytes: AtomicUsize::new(0), max_bytes }
    }

    /// The one that is equal to this one.
    pub(super) fn intern(&self, group: SharedKeyAttributes) -> Arc<SharedKeyAttributes> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).attributes.get(&group)
        {
            return Arc::clone(known);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.attributes.get(&group) {
            return Arc::clone(known);
        }
        if self.bytes() >= known.sweep_threshold {
            self.sweep(&mut known);
        }
        self.bytes.fetch_add(TABLE_ENTRY_BYTES + group.heap_size(), Ordering::Relaxed);
        let group = Arc::new(group);
        known.attributes.insert(Arc::clone(&group));
        group
    }

    /// What all of them weigh.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Drops those that no remembered key is of any more.
    fn sweep(&self, known: &mut Interned) {
        known.attributes.retain(|group| Arc::strong_count(group) > 1);
        let bytes = known.attributes.iter().map(|group| TABLE_ENTRY_BYTES + group.heap_size()).sum();
        self.bytes.store(bytes, Ordering::Relaxed);
        known.sweep_threshold = sweep_threshold(bytes, self.max_bytes);
    }
}
