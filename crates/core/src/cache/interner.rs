//! Interner of the attributes that cached keys share: a million keys have few distinct kinds, environments
//! and sets of scopes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::sweep_threshold;
use crate::cached_key::SharedKeyAttributes;

/// Attributes of all cached keys, each distinct value once.
pub(super) struct AttributeInterner {
    known: RwLock<InternTable>,
    bytes: AtomicUsize,
    max_bytes: usize,
}

struct InternTable {
    attributes: HashSet<Arc<SharedKeyAttributes>>,
    sweep_threshold: usize,
}

/// Bytes of an entry in the table.
const TABLE_ENTRY_BYTES: usize = 3 * size_of::<Arc<SharedKeyAttributes>>();

impl AttributeInterner {
    /// Returns an empty interner. Keys and their attributes together may have `max_bytes` bytes.
    pub(super) fn new(max_bytes: usize) -> Self {
        let known =
            InternTable { attributes: HashSet::new(), sweep_threshold: sweep_threshold(0, max_bytes) };
        Self { known: RwLock::new(known), bytes: AtomicUsize::new(0), max_bytes }
    }

    /// Returns the stored value that equals `attributes`, storing it if there is none.
    pub(super) fn intern(&self, attributes: SharedKeyAttributes) -> Arc<SharedKeyAttributes> {
        let read = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.attributes.get(&attributes) {
            return Arc::clone(known);
        }
        drop(read);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.attributes.get(&attributes) {
            return Arc::clone(known);
        }
        if self.bytes() >= known.sweep_threshold {
            self.sweep(&mut known);
        }
        self.bytes.fetch_add(TABLE_ENTRY_BYTES + attributes.heap_size(), Ordering::Relaxed);
        let attributes = Arc::new(attributes);
        known.attributes.insert(Arc::clone(&attributes));
        attributes
    }

    /// Returns the bytes of all values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Drops the values that no cached key refers to.
    fn sweep(&self, known: &mut InternTable) {
        known.attributes.retain(|attributes| Arc::strong_count(attributes) > 1);
        let sizes = known.attributes.iter().map(|attributes| TABLE_ENTRY_BYTES + attributes.heap_size());
        let bytes = sizes.sum();
        self.bytes.store(bytes, Ordering::Relaxed);
        known.sweep_threshold = sweep_threshold(bytes, self.max_bytes);
    }
}
