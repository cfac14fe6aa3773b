//! A bounded memory of one sort of thing. What the feed takes away while it is being loaded can't be put in
//! afterwards; and one caller loads a thing while others wait for it.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle, PlaceholderGuard};

pub(super) type State = foldhash::fast::RandomState;

/// The right to load a thing, while others wait.
pub(crate) type Guard<'a, K, V> =
    PlaceholderGuard<'a, K, Arc<V>, UnitWeighter, State, DefaultLifecycle<K, Arc<V>>>;

/// Remembered things by their names.
pub(crate) struct Shelf<K, V>(Cache<K, Arc<V>, UnitWeighter, State>);

impl<K: Hash + Eq + Clone, V> Shelf<K, V> {
    /// At most so many.
    pub(super) fn new(most: usize) -> Self {
        Self(cache(most))
    }

    /// A remembered one, without waiting for one that is being loaded.
    pub(crate) fn get(&self, name: &K) -> Option<Arc<V>> {
        self.0.get(name)
    }

    /// A remembered one, or the right to load it.
    pub(crate) async fn wait(&self, name: &K) -> Result<Arc<V>, Guard<'_, K, V>> {
        // What is there, as it nearly always is, needs none of what waiting needs.
        match self.get(name) {
            Some(known) => Ok(known),
            None => self.0.get_value_or_guard_async(name).await,
        }
    }

    /// Remembers what was loaded, unless it is `stale`: read at a revision older than one that was seen since.
    pub(crate) fn fill(
        &self,
        guard: Guard<'_, K, V>,
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
}

pub(super) fn cache<K: Hash + Eq + Clone, V: Clone>(most: usize) -> Cache<K, V, UnitWeighter, State> {
    Cache::with(most, most as u64, UnitWeighter, State::default(), DefaultLifecycle::default())
}
