//! Who waits for what, and how many queries are in flight. Plain state: no task and no clock.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use tokio::sync::oneshot::Sender;

use super::BatchResult;

/// Queries in flight at once: enough to keep a database busy, and far from every connection.
pub(super) const MAX_IN_FLIGHT: usize = 4;
/// What one query asks about at most.
pub(super) const MAX_BATCH_SIZE: usize = 256;

/// Look-ups of one sort that aren't answered yet.
pub(super) struct Queue<K, T> {
    /// What is asked about now or soon, and who came since the query about it began.
    waiting: HashMap<K, Vec<Sender<BatchResult<T>>>>,
    /// What is waited for and not asked about now, oldest first.
    ready: VecDeque<K>,
    /// Queries in flight, and one that is about to begin.
    in_flight: usize,
    /// Whether one is about to begin: it takes along whoever comes until it does.
    dispatching: bool,
    /// What one query asks about now.
    batch_size: usize,
}

/// One thing that a query asks about, and for whom.
pub(super) struct PendingLookup<K, T> {
    pub(super) key: K,
    callers: Vec<Sender<BatchResult<T>>>,
}

impl<K, T: Clone> PendingLookup<K, T> {
    /// Tells everybody. Whoever has gone away need not be told.
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

    /// Someone wants to know about a thing.
    pub(super) fn enqueue(&mut self, key: K, caller: Sender<BatchResult<T>>) {
        match self.waiting.entry(key) {
            // It is ready, or in flight and will be ready when that has arrived.
            Entry::Occupied(mut others) => others.get_mut().push(caller),
            Entry::Vacant(index) => {
                self.ready.push_back(index.key().clone());
                index.insert(vec![caller]);
            }
        }
    }

    /// Whether one more query is wanted, and there is room for it.
    pub(super) fn can_dispatch(&self) -> bool {
        !self.ready.is_empty() && !self.dispatching && self.in_flight < MAX_IN_FLIGHT
    }

    /// A query is about to begin.
    pub(super) fn reserve(&mut self) {
        self.in_flight += 1;
        self.dispatching = true;
    }

    /// It begins.
    pub(super) fn mark_started(&mut self) {
        self.dispatching = false;
    }

    /// What the next query asks about. What nobody waits for any more is not asked about.
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

    /// A query about a thing is over; whoever came meanwhile needs another.
    pub(super) fn release_key(&mut self, key: &K) {
        if self.waiting.get(key).is_some_and(Vec::is_empty) {
            self.waiting.remove(key);
        } else if self.waiting.contains_key(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// A database that missed its deadline is asked about half as much at once, and slowly trusted again: one
    /// big question that always fails would be worse than many small ones.
    pub(super) fn adjust_batch_size(&mut self, lookups: usize, outage: bool) {
        if outage {
            self.batch_size = (lookups / 2).max(1);
        } else if lookups >= self.batch_size {
            self.batch_size = (self.batch_size * 2).min(MAX_BATCH_SIZE);
        }
    }

    /// A place is free again.
    pub(super) fn release_slot(&mut self) {
        self.in_flight -= 1;
    }

    /// Whether nobody waits for anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty() && self.in_flight == 0
    }
}
