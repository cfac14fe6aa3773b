//! Executor of the calls of one connection. Calls that arrived together are polled one after the other on the
//! connection's own task, and their responses leave together. A call that has to wait becomes a task of its own, so that
//! it does not delay others. A task for every call would cost an allocation, two wake-ups and a place in the runtime's
//! queue, although nearly all calls complete at the first poll.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::task::JoinSet;

use super::response_deadline::{WaitingCall, poll_call};
use crate::listen::Connection;

/// Maximum number of calls that are polled before their responses are sent and other connections get their turn.
const MAX_CALLS_PER_RUN: usize = 64;

pub(super) type CallFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Queue of calls that hyper has spawned and the connection has not polled yet.
#[derive(Clone)]
pub(super) struct InlineExecutor(Arc<Queue>);

struct Queue {
    calls: Mutex<VecDeque<CallFuture>>,
    connection: Arc<Connection>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for InlineExecutor {
    fn execute(&self, call: F) {
        self.0.connection.call_begins();
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::pin(call));
    }
}

impl InlineExecutor {
    /// Creates the executor of a connection, whose number of open calls it sets.
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self(Arc::new(Queue { calls: Mutex::default(), connection }))
    }

    /// Removes the calls that have completed, and sets the connection's number of open calls.
    pub(super) fn reap(&self, tasks: &mut JoinSet<()>) {
        while tasks.try_join_next().is_some() {}
        self.0.connection.set_open_calls(tasks.len());
    }

    /// Polls the queued calls once; calls that are not ready continue in `tasks`.
    pub(super) fn run(&self, tasks: &mut JoinSet<()>, cx: &mut Context<'_>) {
        for _ in 0..MAX_CALLS_PER_RUN {
            let Some(mut call) = self.next() else { return };
            // A call that panics affects no other: its stream is reset when it is dropped.
            let polled = catch_unwind(AssertUnwindSafe(|| poll_call(&mut call, cx)));
            if let Ok((Poll::Pending, response)) = polled
                && let Some(waiting) = WaitingCall::new(call, response, &self.0.connection)
            {
                tasks.spawn(waiting);
            }
        }
        cx.waker().wake_by_ref();
    }

    fn next(&self) -> Option<CallFuture> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;
    use crate::listen::Client;

    fn executor() -> InlineExecutor {
        InlineExecutor::new(Arc::new(Connection::new(Client::of([127, 0, 0, 1].into()))))
    }

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[tokio::test]
    async fn a_ready_call_becomes_no_task() {
        let (executor, mut tasks) = (executor(), JoinSet::new());
        let ran = Arc::<AtomicUsize>::default();
        for _ in 0..=MAX_CALLS_PER_RUN {
            let ran = Arc::clone(&ran);
            executor.execute(async move {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        executor.run(&mut tasks, &mut context());
        assert_eq!((ran.load(Ordering::Relaxed), tasks.len()), (MAX_CALLS_PER_RUN, 0));
        executor.run(&mut tasks, &mut context());
        assert_eq!(ran.load(Ordering::Relaxed), MAX_CALLS_PER_RUN + 1);
    }

    #[tokio::test]
    async fn a_waiting_call_continues_as_a_task() {
        let (executor, mut tasks) = (executor(), JoinSet::new());
        let (open, gate) = oneshot::channel::<()>();
        executor.execute(async move { drop(gate.await) });
        executor.run(&mut tasks, &mut context());
        assert_eq!(tasks.len(), 1);
        open.send(()).unwrap();
        tasks.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_call_that_panics_ends_alone() {
        let (executor, mut tasks) = (executor(), JoinSet::new());
        let ran = Arc::<AtomicUsize>::default();
        executor.execute(async { panic!("a call of this test") });
        let after = Arc::clone(&ran);
        executor.execute(async move {
            after.fetch_add(1, Ordering::Relaxed);
        });
        executor.run(&mut tasks, &mut context());
        assert_eq!((ran.load(Ordering::Relaxed), tasks.len()), (1, 0));
    }
}
