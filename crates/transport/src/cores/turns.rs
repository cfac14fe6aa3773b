//! The calls of one connection. Those that came together are run one after the other right where they were
//! read, and their answers leave together; one that has to wait becomes a task of its own, so that it holds up
//! nobody. A task for each call from the beginning costs an allocation, two wake-ups and a place in the
//! runtime's queue, for what is nearly always over at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// After so many calls, their answers are sent and other connections get their turn.
const TURN: usize = 64;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where hyper puts calls, and the connection finds them.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<VecDeque<Call>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Turns {
    fn execute(&self, call: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::pin(call));
    }
}

impl Turns {
    /// Runs what has come; what doesn't end at once goes on among `waiting`.
    pub(super) fn run(&self, waiting: &mut JoinSet<()>, cx: &mut Context<'_>) {
        for _ in 0..TURN {
            let Some(mut call) = self.next() else { return };
            // A call that panics ends alone: its stream is reset when it is dropped.
            let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
            if polled.is_ok_and(|polled| polled.is_pending()) {
                waiting.spawn(call);
            }
        }
        cx.waker().wake_by_ref();
    }

    fn next(&self) -> Option<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[tokio::test]
    async fn what_is_over_at_once_becomes_no_task() {
        let (turns, mut waiting) = (Turns::default(), JoinSet::new());
        let ran = Arc::<AtomicUsize>::default();
        for _ in 0..=TURN {
            let ran = Arc::clone(&ran);
            turns.execute(async move {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        turns.run(&mut waiting, &mut context());
        assert_eq!((ran.load(Ordering::Relaxed), waiting.len()), (TURN, 0));
        turns.run(&mut waiting, &mut context());
        assert_eq!(ran.load(Ordering::Relaxed), TURN + 1);
    }

    #[tokio::test]
    async fn what_waits_goes_on_beside_the_others() {
        let (turns, mut waiting) = (Turns::default(), JoinSet::new());
        let (open, gate) = oneshot::channel::<()>();
        turns.execute(async move { drop(gate.await) });
        turns.run(&mut waiting, &mut context());
        assert_eq!(waiting.len(), 1);
        open.send(()).unwrap();
        waiting.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_call_that_panics_ends_alone() {
        let (turns, mut waiting) = (Turns::default(), JoinSet::new());
        let ran = Arc::<AtomicUsize>::default();
        turns.execute(async { panic!("no") });
        let after = Arc::clone(&ran);
        turns.execute(async move {
            after.fetch_add(1, Ordering::Relaxed);
        });
        turns.run(&mut waiting, &mut context());
        assert_eq!((ran.load(Ordering::Relaxed), waiting.len()), (1, 0));
    }
}
