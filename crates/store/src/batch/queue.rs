//! The queue of writes, and the task that empties it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::shared_write::{Answer, SharedWrite, WaitingWrite};
use super::{transaction, turn};
use crate::pool::Pool;

/// Maximum number of writes in one transaction. It bounds how long a write of another kind waits for the head row.
const WRITES: usize = 64;

/// Writes that wait for a transaction. Shared in an `Arc`.
pub(crate) struct WriteQueue {
    pool: Arc<Pool>,
    /// Time limit of a transaction.
    deadline: Duration,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<SharedWrite>,
    /// True while a task runs. One transaction at a time takes more writes along than several would, which wait for
    /// each other in the database.
    running: bool,
}

impl WriteQueue {
    /// Creates a queue without a task: one starts with the first write.
    pub(crate) fn new(pool: Arc<Pool>, deadline: Duration) -> Arc<Self> {
        Arc::new(Self { pool, deadline, state: Mutex::default() })
    }

    /// Does a write, in a transaction that others may share. `wrap` names its kind.
    pub(crate) async fn write<W, T>(
        self: &Arc<Self>,
        write: W,
        wrap: impl FnOnce(WaitingWrite<W, T>) -> SharedWrite,
    ) -> Answer<T> {
        let (answer, receiver) = oneshot::channel();
        self.add(wrap(WaitingWrite { write: Box::new(write), answer }));
        // Without an answer, the transaction was given up: the process ends, or its task has panicked.
        receiver
            .await
            .unwrap_or_else(|_| Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed).into()))
    }

    fn add(self: &Arc<Self>, write: SharedWrite) {
        self.state().waiting.push_back(write);
        self.start();
    }

    /// Starts the task, if writes wait and it does not run.
    fn start(self: &Arc<Self>) {
        {
            let mut state = self.state();
            if state.running || state.waiting.is_empty() {
                return;
            }
            state.running = true;
        }
        // Without the lock: a runtime that ends drops the task at once, and the writer with it.
        let writer = Writer { queue: Arc::clone(self), begun: false };
        #[expect(
            clippy::disallowed_methods,
            reason = "a shared transaction outlives each caller; one at most"
        )]
        tokio::spawn(async move { writer.run().await });
    }

    /// Takes the writes of the next transaction.
    fn next(&self) -> Vec<SharedWrite> {
        let mut state = self.state();
        state.drop_abandoned();
        let count = batch_size(state.waiting.len());
        state.waiting.drain(..count).collect()
    }

    /// Returns whether no write waits whose caller is still there. Drops the others, so that they do not add up while the
    /// database does not answer.
    fn is_empty(&self) -> bool {
        let mut state = self.state();
        state.drop_abandoned();
        state.waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    /// Drops the writes whose callers have given up.
    fn drop_abandoned(&mut self) {
        self.waiting.retain(|write| !write.is_abandoned());
    }
}

/// Returns how many of the writes that wait share the next transaction: the largest of 1, 2, 3, 4, 6, 8, 12, 16, 24 and so
/// on. The text of a statement depends on its number of rows, and a connection keeps a limited number of prepared
/// statements.
fn batch_size(waiting: usize) -> usize {
    let waiting = waiting.min(WRITES);
    let Some(exponent) = waiting.checked_ilog2() else { return 0 };
    let power = 1 << exponent;
    let middle = power + power / 2;
    if middle <= waiting { middle } else { power }
}

/// The task, which runs one transaction after the other.
struct Writer {
    queue: Arc<WriteQueue>,
    /// True once the task runs. A task that is dropped before was started by a runtime that ends.
    begun: bool,
}

impl Writer {
    /// Runs transactions until no write waits. One that does not end in time is dropped, which closes its
    /// connection: its callers have given up by then.
    async fn run(mut self) {
        self.begun = true;
        let queue = &self.queue;
        while !queue.is_empty() {
            // Writes that arrive during the wait for the turn go along.
            let Ok(turn) = timeout(queue.deadline, turn::begin(&queue.pool)).await else { continue };
            let writes = queue.next();
            let _ = timeout(queue.deadline, transaction::run(&queue.pool, turn, writes)).await;
        }
    }
}

/// Marks the end of the task, also after a panic. A write that arrived after the task had found none starts another one. If
/// no task can run any more, the writes that wait are given up.
impl Drop for Writer {
    fn drop(&mut self) {
        let given_up = {
            let mut state = self.queue.state();
            state.running = false;
            if self.begun { VecDeque::new() } else { std::mem::take(&mut state.waiting) }
        };
        drop(given_up);
        self.queue.start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_takes_most_of_the_writes_that_wait_in_one_of_few_sizes() {
        let sizes: std::collections::BTreeSet<usize> = (1..=1_000).map(batch_size).collect();
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]);
        assert_eq!(batch_size(0), 0);
        for waiting in 1..=WRITES {
            assert!(batch_size(waiting) <= waiting && 3 * batch_size(waiting) >= 2 * waiting, "{waiting}");
        }
    }
}
