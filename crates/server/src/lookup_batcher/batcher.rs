//! Many look-ups, one query. A look-up is sent at once while few queries are in flight; otherwise it waits, and
//! the next query takes along whatever waits by then. Nobody waits for the sake of gathering.
//!
//! Queries run on a runtime that is given, and callers only wait for their answers: they may be on any runtime,
//! and one that goes away cancels nothing. Two rules keep answers true. A call shares only a query that began
//! after the call arrived: one that was under way already may not know of a revocation that was over before the
//! call came. And one thing is asked about by one query at a time.

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

/// How long a call waits in all: for the query under way, and for the one that it takes part in.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(130);

type BatchResult<T> = Result<T, SystemError>;
/// Asks about several things; answers about each, in their order.
type BatchQuery<K, T> =
    dyn Fn(Vec<K>) -> Pin<Box<dyn Future<Output = Vec<BatchResult<T>>> + Send>> + Send + Sync;

/// Look-ups of one sort.
pub(super) struct Batcher<K, T>(Arc<BatcherState<K, T>>);

struct BatcherState<K, T> {
    runtime: Handle,
    query: Box<BatchQuery<K, T>>,
    queue: Mutex<Queue<K, T>>,
}

/// What can be asked about.
pub(super) trait LookupKey: Clone + Eq + Hash + Send + 'static {}
impl<K: Clone + Eq + Hash + Send + 'static> LookupKey for K {}

impl<K: LookupKey, T: Clone + Send + 'static> Batcher<K, T> {
    /// Asks by `ask`, in tasks of `runtime`.
    pub(super) fn new<F>(runtime: Handle, query: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<BatchResult<T>>> + Send + 'static,
    {
        let query = Box::new(move |keys| Box::pin(query(keys)) as Pin<Box<_>>);
        Self(Arc::new(BatcherState { runtime, query, queue: Mutex::new(Queue::new()) }))
    }

    /// Looks a thing up.
    pub(super) async fn look_up(&self, key: K) -> BatchResult<T> {
        let (result, wait) = oneshot::channel();
        {
            let mut queue = self.0.queue();
            queue.enqueue(key, result);
            dispatch(&self.0, &mut queue);
        }
        match timeout(LOOKUP_TIMEOUT, wait).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(SystemError::Internal("a look-up ended without an answer".to_owned())),
            Err(_) => Err(SystemError::database()),
        }
    }
}

impl<K, T> BatcherState<K, T> {
    /// Nothing that runs under this lock can leave a queue half changed.
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a query on its way, where one is wanted and there is room.
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

/// A query after another, each with those who take part, until nothing is left to be asked. However that ends,
/// its place is free again, and so is what it asked about.
struct InFlightBatch<'a, K: LookupKey, T: Clone + Send + 'static> {
    state: &'a Arc<BatcherState<K, T>>,
    lookups: Vec<PendingLookup<K, T>>,
    over: bool,
}

impl<'a, K: LookupKey, T: Clone + Send + 'static> InFlightBatch<'a, K, T> {
    fn start(state: &'a Arc<BatcherState<K, T>>) -> Self {
        let mut batch = Self { state, lookups: Vec::new(), over: false };
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
            // At the same moment, so that whoever comes next finds the place free.
            queue.release_slot();
            self.over = true;
        }
    }

    fn complete(&mut self, results: Vec<BatchResult<T>>) {
        let answered = {
            let mut queue = self.state.queue();
            queue.adjust_batch_size(self.lookups.len(), results.iter().any(is_unavailable));
            let answered = std::mem::take(&mut self.lookups);
            for lookup in &answered {
                queue.release_key(&lookup.key);
            }
            self.take_next(&mut queue);
            answered
        };
        for (lookup, result) in answered.into_iter().zip(results) {
            lookup.respond(result);
        }
    }
}

impl<K: LookupKey, T: Clone + Send + 'static> Drop for InFlightBatch<'_, K, T> {
    fn drop(&mut self) {
        if self.over {
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
