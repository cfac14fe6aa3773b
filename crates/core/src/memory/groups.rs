//! What remembered keys have in common, once: of a million keys, most are of a few kinds, environments and sets
//! of scopes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::sweep_at;
use crate::brief::Group;

/// Every group that a remembered key is of.
pub(super) struct Groups {
    known: RwLock<Known>,
    bytes: AtomicUsize,
    most: usize,
}

struct Known {
    groups: HashSet<Arc<Group>>,
    sweep_at: usize,
}

/// Its place in the table.
const PLACE: usize = 3 * size_of::<Arc<Group>>();

impl Groups {
    /// None yet. With their keys, they may weigh `most`.
    pub(super) fn new(most: usize) -> Self {
        let known = Known { groups: HashSet::new(), sweep_at: sweep_at(0, most) };
        Self { known: RwLock::new(known), bytes: AtomicUsize::new(0), most }
    }

    /// The one that is equal to this one.
    pub(super) fn shared(&self, group: Group) -> Arc<Group> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).groups.get(&group) {
            return Arc::clone(known);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.groups.get(&group) {
            return Arc::clone(known);
        }
        if self.bytes() >= known.sweep_at {
            self.sweep(&mut known);
        }
        self.bytes.fetch_add(PLACE + group.weight(), Ordering::Relaxed);
        let group = Arc::new(group);
        known.groups.insert(Arc::clone(&group));
        group
    }

    /// What all of them weigh.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Drops those that no remembered key is of any more.
    fn sweep(&self, known: &mut Known) {
        known.groups.retain(|group| Arc::strong_count(group) > 1);
        let bytes = known.groups.iter().map(|group| PLACE + group.weight()).sum();
        self.bytes.store(bytes, Ordering::Relaxed);
        known.sweep_at = sweep_at(bytes, self.most);
    }
}
