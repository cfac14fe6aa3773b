//! A bounded memory of one sort of thing. What the feed takes away while it is being loaded can't be put in
//! afterwards; one caller loads a thing while others wait for it; and what isn't used makes room for what is.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle, PlaceholderGuard};
use quick_cache::{OptionsBuilder, Weighter};

use crate::heap_size;

pub(super) type HashState = foldhash::fast::RandomState;

/// The right to load a thing, while others wait.
pub(crate) type LoadGuard<'a, K, V> =
    PlaceholderGuard<'a, K, Arc<V>, EntryWeighter, HashState, DefaultLifecycle<K, Arc<V>>>;

/// What has a weight.
pub(crate) trait HeapSize {
    /// Bytes on the heap, beside what it is itself. Always the same for one thing.
    fn heap_size(&self) -> usize;
}

/// Weighs an entry: the thing, and its place in the cache.
#[derive(Clone, Debug)]
pub(crate) struct EntryWeighter;

impl<K, V: HeapSize> Weighter<K, Arc<V>> for EntryWeighter {
    fn weight(&self, _: &K, value: &Arc<V>) -> u64 {
        (slot_size::<K, Arc<V>>() + heap_size::shared(size_of::<V>()) + value.heap_size()) as u64
    }
}

/// A place in the cache: the entry and its links, its part of the table of hashes, what a growing list has in
/// reserve, and a quarter of a place for a thing that was there before.
pub(super) const fn slot_size<K, V>() -> usize {
    let entry = size_of::<K>() + size_of::<V>() + 16;
    entry + entry / 2 + 16
}

/// Remembered things by their names.
pub(crate) struct BoundedCache<K, V>(Cache<K, Arc<V>, EntryWeighter, HashState>);

impl<K: Hash + Eq + Clone, V: HeapSize> BoundedCache<K, V> {
    /// At most so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let typical = slot_size::<K, Arc<V>>() + heap_size::shared(size_of::<V>());
        Self(new_cache(bytes, typical, EntryWeighter))
    }

    /// At most so many bytes from now on.
    pub(super) fn resize(&self, bytes: usize) {
        self.0.set_capacity(bytes as u64);
    }

    /// A remembered one, without waiting for one that is being loaded.
    pub(crate) fn get(&self, name: &K) -> Option<Arc<V>> {
        self.0.get(name)
    }

    /// A remembered one, or the right to load it.
    pub(crate) async fn wait(&self, name: &K) -> Result<Arc<V>, LoadGuard<'_, K, V>> {
        // What is there, as it nearly always is, needs none of what waiting needs.
        match self.get(name) {
            Some(known) => Ok(known),
            None => self.0.get_value_or_guard_async(name).await,
        }
    }

    /// Remembers what was loaded, unless it is `stale`: read at a revision older than one that was seen since.
    pub(crate) fn fill(
        &self,
        guard: LoadGuard<'_, K, V>,
        name: &K,
        value: &Arc<V>,
        stale: impl FnOnce() -> bool,
    ) {
        // Refused where the feed took it away meanwhile: then this answer was for its asker alone.
        if guard.insert(Arc::clone(value)).is_ok() && stale() {
            self.0.remove(name);
        }
    }

    /// Remembers what nothing can make untrue.
    pub(crate) fn put(&self, name: K, value: Arc<V>) {
        self.0.insert(name, value);
    }

    pub(super) fn remove(&self, name: &K) {
        self.0.remove(name);
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What all of them weigh.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.0.weight()).unwrap_or(usize::MAX)
    }
}

/// A cache of so many bytes, whose entries weigh about `usual` each.
pub(super) fn new_cache<K, V, W>(bytes: usize, typical: usize, weighter: W) -> Cache<K, V, W, HashState>
where
    K: Hash + Eq + Clone,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let options = OptionsBuilder::new()
        .estimated_items_capacity((bytes / typical).max(1))
        .weight_capacity(bytes as u64)
        .ghost_allocation(0.25)
        .build();
    let options = options.unwrap_or_else(|_| unreachable!("every option is given, and within its bounds"));
    Cache::with_options(options, weighter, HashState::default(), DefaultLifecycle::default())
}
