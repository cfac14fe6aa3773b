//! Queue of lookups and number of queries in flight. Pure state, without tasks and clocks.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use tokio::sync::oneshot::Sender;

use super::BatchResult;

/// Maximum number of queries in flight: enough to keep a database busy, and far fewer than its connections.
pub(super) const MAX_IN_FLIGHT: usize = 4;
/// Maximum number of keys in one query.
pub(super) const MAX_BATCH_SIZE: usize = 256;

/// Pending lookups of one type.
pub(super) struct Queue<K, T> {
    /// Keys that are pending, with the callers that arrived since the query for the key started.
    waiting: HashMap<K, Vec<Sender<BatchResult<T>>>>,
    /// Keys that are waited for and not in a query, oldest first.
    ready: VecDeque<K>,
    /// Number of queries in flight, including one that is about to start.
    in_flight: usize,
    /// True if a query is about to start; it takes all lookups that arrive before it does.
    dispatching: bool,
    /// Present maximum number of keys in one query.
    batch_size: usize,
}

/// Key of a query, and the callers that wait for it.
pub(super) struct PendingLookup<K, T> {
    pub(super) key: K,
    callers: Vec<Sender<BatchResult<T>>>,
}

impl<K, T: Clone> PendingLookup<K, T> {
    /// Sends the result to all callers. Callers that are gone are ignored.
    pub(super) fn respond(mut self, result: BatchResult<T>) {
        let last = self.callers.pop();
        for caller in self.callers {
            let _ = caller.send(result.clone());
        }
        let _ = last.map(|caller| caller.send(result));
    }
}

impl<K: Clone + Eq + Hash, T> Queue<K, T> {
    pub(super) fn new() -> Self {
        let (waiting, ready) = (HashMap::new(), VecDeque::new());
        Self { waiting, ready, in_flight: 0, dispatching: false, batch_size: MAX_BATCH_SIZE }
    }

    /// Adds a lookup.
    pub(super) fn enqueue(&mut self, key: K, caller: Sender<BatchResult<T>>) {
        match self.waiting.entry(key) {
            // The key is ready, or in flight and will be ready when its query has completed.
            Entry::Occupied(mut others) => others.get_mut().push(caller),
            Entry::Vacant(index) => {
                self.ready.push_back(index.key().clone());
                index.insert(vec![caller]);
            }
        }
    }

    /// Returns true if lookups are ready and one more query can be started.
    pub(super) fn can_dispatch(&self) -> bool {
        !self.ready.is_empty() && !self.dispatching && self.in_flight < MAX_IN_FLIGHT
    }

    /// Reserves a slot for a query that is about to start.
    pub(super) fn reserve(&mut self) {
        self.in_flight += 1;
        self.dispatching = true;
    }

    /// Marks the reserved query as started.
    pub(super) fn mark_started(&mut self) {
        self.dispatching = false;
    }

    /// Takes the keys of the next query. Keys without a waiting caller are dropped.
    pub(super) fn take_batch(&mut self) -> Vec<PendingLookup<K, T>> {
        let mut batch = Vec::new();
        while batch.len() < self.batch_size
            && let Some(key) = self.ready.pop_front()
        {
            let mut callers = self.waiting.get_mut(&key).map(std::mem::take).unwrap_or_default();
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                self.waiting.remove(&key);
            } else {
                batch.push(PendingLookup { key, callers });
            }
        }
        batch
    }

    /// Releases a key whose query has ended; if callers arrived meanwhile, the key is ready again.
    pub(super) fn release_key(&mut self, key: &K) {
        if self.waiting.get(key).is_some_and(Vec::is_empty) {
            self.waiting.remove(key);
        } else if self.waiting.contains_key(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// Halves the batch size after a query that missed its deadline, and doubles it after a full batch that
    /// succeeded: one large query that always times out would be worse than several small ones.
    pub(super) fn adjust_batch_size(&mut self, lookups: usize, outage: bool) {
        if outage {
            self.batch_size = (lookups / 2).max(1);
        } else if lookups >= self.batch_size {
            self.batch_size = (self.batch_size * 2).min(MAX_BATCH_SIZE);
        }
    }

    /// Releases the slot of a query.
    pub(super) fn release_slot(&mut self) {
        self.in_flight -= 1;
    }

    /// Returns true if nothing is pending.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty() && self.in_flight == 0
    }
}
