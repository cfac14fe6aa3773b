//! Waiting for a condition that another process or task brings about. Each wait has a deadline and panics with
//! a message when it passes, so that a test never needs a fixed sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Deadline of a wait that names none. A disk that is busy with the files of a build can hold up a write for half a minute,
/// and only a test that fails waits for this long.
const DEADLINE: Duration = Duration::from_mins(3);

/// Pause between two evaluations of a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `ask` until it returns a value; panics with `what` after three minutes.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_for(what, DEADLINE, ask)
}

/// Calls `ask` until it returns a value; panics with `what` when the time is up.
pub fn eventually_for<T>(what: &str, time: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < time, "waited {time:?}: {what}");
        sleep(PAUSE);
    }
}

/// Calls `ask` until it returns a value, without blocking the runtime; panics with `what` after three minutes.
pub async fn eventually_async<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    patiently_async(what, DEADLINE, ask).await
}

/// Calls `ask` until it returns a value, without blocking the runtime; panics with `what` when the time is up, even
/// if a call of `ask` is not finished.
pub async fn patiently_async<T>(what: &str, time: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answered = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(time, answered).await.unwrap_or_else(|_| panic!("waited {time:?}: {what}"))
}

/// Counters of the work of several tasks, by which a test waits until all of them make progress.
#[derive(Debug, Default)]
pub struct Progress(Vec<Arc<AtomicUsize>>);

impl Progress {
    /// Returns a new counter for one more task, which increments it.
    pub fn counter(&mut self) -> Arc<AtomicUsize> {
        let counter = Arc::default();
        self.0.push(Arc::clone(&counter));
        counter
    }

    /// Waits until each task's counter has reached `count`; panics with `what` after three minutes.
    pub async fn all_reach(&self, what: &str, count: usize) {
        self.all_exceed(what, &vec![0; self.0.len()], count).await;
    }

    /// Waits until each task's counter has grown by this number; panics with `what` after three minutes.
    pub async fn all_advance(&self, what: &str, by: usize) {
        self.all_exceed(what, &self.counts(), by).await;
    }

    async fn all_exceed(&self, what: &str, before: &[usize], by: usize) {
        eventually_async(what, async || {
            self.counts().iter().zip(before).all(|(now, before)| *now >= before + by).then_some(())
        })
        .await;
    }

    fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|counter| counter.load(Ordering::SeqCst)).collect()
    }
}
