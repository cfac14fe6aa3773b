//! Batcher of lookups. A lookup is sent at once while few queries are in flight; otherwise it waits, and the next
//! query takes all waiting lookups. No lookup is delayed only to form a batch.
//!
//! Queries run on a given runtime, and callers only wait for results: they can be on any runtime, and a caller that
//! is cancelled does not cancel the query. Two rules keep results correct. A lookup shares only a query that started
//! after the lookup arrived: an earlier query might not see a revocation that was complete before the lookup arrived.
//! And a key is in at most one query at a time.

mod queue;

use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_core::error::SystemError;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::queue::{PendingLookup, Queue};

type BatchResult<T> = Result<T, SystemError>;
/// Query for several keys; returns a result for each, in the same order.
type BatchQuery<K, T> =
    dyn Fn(Vec<K>) -> Pin<Box<dyn Future<Output = Vec<BatchResult<T>>> + Send>> + Send + Sync;

/// Batcher of one type of lookup.
pub(super) struct Batcher<K, T>(Arc<BatcherState<K, T>>);

struct BatcherState<K, T> {
    runtime: Handle,
    /// Total time that a lookup waits: for the query in flight and for the one that it is part of.
    timeout: Duration,
    query: Box<BatchQuery<K, T>>,
    queue: Mutex<Queue<K, T>>,
}

/// Requirements on a key of a lookup.
pub(super) trait LookupKey: Clone + Eq + Hash + Send + 'static {}
impl<K: Clone + Eq + Hash + Send + 'static> LookupKey for K {}

impl<K: LookupKey, T: Clone + Send + 'static> Batcher<K, T> {
    /// Makes a batcher that runs `query` in tasks of `runtime`.
    pub(super) fn new<F>(
        (runtime, timeout): (Handle, Duration),
        query: impl Fn(Vec<K>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Vec<BatchResult<T>>> + Send + 'static,
    {
        let query = Box::new(move |keys| Box::pin(query(keys)) as Pin<Box<_>>);
        Self(Arc::new(BatcherState { runtime, timeout, query, queue: Mutex::new(Queue::new()) }))
    }

    /// Looks up a key.
    pub(super) async fn look_up(&self, key: K) -> BatchResult<T> {
        let (result, wait) = oneshot::channel();
        {
            let mut queue = self.0.queue();
            queue.enqueue(key, result);
            dispatch(&self.0, &mut queue);
        }
        match timeout(self.0.timeout, wait).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(SystemError::Internal("a lookup ended without a result".to_owned())),
            Err(_) => Err(SystemError::database()),
        }
    }
}

impl<K, T> BatcherState<K, T> {
    /// Locks the queue. A poisoned lock is used all the same: no code that can panic leaves the queue in an
    /// inconsistent state.
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a query, if lookups are ready and the limit of queries in flight is not reached.
fn dispatch<K: LookupKey, T: Clone + Send + 'static>(
    state: &Arc<BatcherState<K, T>>,
    queue: &mut Queue<K, T>,
) {
    if queue.can_dispatch() {
        queue.reserve();
        let state = Arc::clone(state);
        state.runtime.clone().spawn(async move {
            let mut batch = InFlightBatch::start(&state);
            while !batch.lookups.is_empty() {
                let keys = batch.lookups.iter().map(|lookup| lookup.key.clone()).collect();
                batch.complete((state.query)(keys).await);
            }
        });
    }
}

/// Queries that run one after the other, each with its lookups, until no lookup is ready. However it ends, its slot
/// and its keys are released.
struct InFlightBatch<'a, K: LookupKey, T: Clone + Send + 'static> {
    state: &'a Arc<BatcherState<K, T>>,
    lookups: Vec<PendingLookup<K, T>>,
    released: bool,
}

impl<'a, K: LookupKey, T: Clone + Send + 'static> InFlightBatch<'a, K, T> {
    fn start(state: &'a Arc<BatcherState<K, T>>) -> Self {
        let mut batch = Self { state, lookups: Vec::new(), released: false };
        let mut queue = state.queue();
        queue.mark_started();
        batch.take_next(&mut queue);
        dispatch(state, &mut queue);
        drop(queue);
        batch
    }

    fn take_next(&mut self, queue: &mut Queue<K, T>) {
        self.lookups = queue.take_batch();
        if self.lookups.is_empty() {
            // Under the same lock, so that the next lookup finds the slot free.
            queue.release_slot();
            self.released = true;
        }
    }

    fn complete(&mut self, results: Vec<BatchResult<T>>) {
        let completed = {
            let mut queue = self.state.queue();
            queue.adjust_batch_size(self.lookups.len(), results.iter().any(is_unavailable));
            let completed = std::mem::take(&mut self.lookups);
            for lookup in &completed {
                queue.release_key(&lookup.key);
            }
            self.take_next(&mut queue);
            completed
        };
        for (lookup, result) in completed.into_iter().zip(results) {
            lookup.respond(result);
        }
    }
}

impl<K: LookupKey, T: Clone + Send + 'static> Drop for InFlightBatch<'_, K, T> {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        let mut queue = self.state.queue();
        for lookup in &self.lookups {
            queue.release_key(&lookup.key);
        }
        queue.release_slot();
        dispatch(self.state, &mut queue);
    }
}

fn is_unavailable<T>(result: &BatchResult<T>) -> bool {
    matches!(result, Err(SystemError::Unavailable { .. }))
}

#[cfg(test)]
mod tests;
