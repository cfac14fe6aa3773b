//! A cache of one type of entry, bounded in bytes. An entry that the feed removes while it is being loaded
//! cannot be inserted afterwards. One caller loads an entry while others wait for it. Entries that are not
//! used are evicted before those that are.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle, PlaceholderGuard};
use quick_cache::{OptionsBuilder, Weighter};

use crate::heap_size;

pub(super) type HashState = foldhash::fast::RandomState;

/// Guard of the caller that loads an entry, while others wait for it.
pub(crate) type LoadGuard<'a, K, V> =
    PlaceholderGuard<'a, K, Arc<V>, EntryWeighter, HashState, DefaultLifecycle<K, Arc<V>>>;

/// A type whose size on the heap is known.
pub(crate) trait HeapSize {
    /// Returns the bytes on the heap, without the value itself. The result must not change during the life of
    /// an entry.
    fn heap_size(&self) -> usize;
}

/// Returns the bytes of an entry: the value and its slot in the cache.
#[derive(Clone, Debug)]
pub(crate) struct EntryWeighter;

impl<K, V: HeapSize> Weighter<K, Arc<V>> for EntryWeighter {
    fn weight(&self, _: &K, value: &Arc<V>) -> u64 {
        (slot_size::<K, Arc<V>>() + heap_size::shared(size_of::<V>()) + value.heap_size()) as u64
    }
}

/// Returns the bytes of a slot: the entry and its links, its share of the hash table and of the reserve of a
/// growing list, and a quarter of a slot for a recently evicted key.
pub(super) const fn slot_size<K, V>() -> usize {
    let entry = size_of::<K>() + size_of::<V>() + 16;
    entry + entry / 2 + 16
}

/// Entries by key, bounded in bytes.
pub(crate) struct BoundedCache<K, V>(Cache<K, Arc<V>, EntryWeighter, HashState>);

impl<K: Hash + Eq + Clone, V: HeapSize> BoundedCache<K, V> {
    /// Returns an empty cache of at most `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let typical = slot_size::<K, Arc<V>>() + heap_size::shared(size_of::<V>());
        Self(new_cache(bytes, typical, EntryWeighter))
    }

    /// Changes the capacity to `bytes` bytes.
    pub(super) fn resize(&self, bytes: usize) {
        self.0.set_capacity(bytes as u64);
    }

    /// Returns a cached entry, without waiting for one that is being loaded.
    pub(crate) fn get(&self, key: &K) -> Option<Arc<V>> {
        self.0.get(key)
    }

    /// Returns a cached entry, or the guard to load it.
    pub(crate) async fn wait(&self, key: &K) -> Result<Arc<V>, LoadGuard<'_, K, V>> {
        // The usual case, an entry that is cached, needs no future that can wait.
        match self.get(key) {
            Some(cached) => Ok(cached),
            // The entry may have been inserted without the guard that this call waited for.
            None => match self.0.get_value_or_guard_async(key).await {
                Ok(cached) => Ok(cached),
                Err(guard) => self.get(key).ok_or(guard),
            },
        }
    }

    /// Inserts a loaded entry, unless it is `stale`: read at a revision older than one that the feed has
    /// shown since. Returns whether it is cached.
    pub(crate) fn fill(
        &self,
        guard: LoadGuard<'_, K, V>,
        key: &K,
        value: &Arc<V>,
        stale: impl FnOnce() -> bool,
    ) -> bool {
        // The insertion is refused if the feed has removed the entry meanwhile. Then the caller alone uses
        // the value that it read.
        if guard.insert(Arc::clone(value)).is_err() {
            return false;
        }
        let stale = stale();
        if stale {
            self.0.remove(key);
        }
        !stale
    }

    /// Inserts an entry, which the caller knows to be valid. One that is being loaded is not inserted any more.
    pub(crate) fn put(&self, key: K, value: Arc<V>) {
        self.0.insert(key, value);
    }

    pub(super) fn remove(&self, key: &K) {
        self.0.remove(key);
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the bytes of all entries.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.0.weight()).unwrap_or(usize::MAX)
    }
}

/// Returns a cache of `bytes` bytes for entries of about `typical` bytes each.
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
    let options = options.unwrap_or_else(|_| unreachable!("all options are set and within their bounds"));
    Cache::with_options(options, weighter, HashState::default(), DefaultLifecycle::default())
}
