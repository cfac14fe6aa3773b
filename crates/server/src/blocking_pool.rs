//! Threads for long computations: hashing passwords and generating keys. There is one thread for each core, at a low
//! scheduling priority, so that they do not slow Check down. A few jobs can wait; further jobs are rejected at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use latchkey_core::error::RequestError;
use latchkey_management::ports::tokens::{BlockingExecutor, Job};
use tokio::sync::oneshot;

/// Number of jobs that can wait, for each thread.
const QUEUED_PER_THREAD: usize = 2;
/// Niceness of the threads; 19 is the lowest priority.
const NICENESS: i32 = 10;

struct QueuedJob {
    job: Job,
    done: oneshot::Sender<()>,
}

/// Pool of threads, which end when it is dropped.
pub(crate) struct BlockingPool {
    queue: SyncSender<QueuedJob>,
    /// Number of jobs that wait or run.
    pending: Arc<AtomicUsize>,
    capacity: usize,
}

impl BlockingPool {
    /// Starts one thread for each core.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (sender, receiver) = sync_channel(cores * QUEUED_PER_THREAD);
        let (receiver, pending) = (Arc::new(Mutex::new(receiver)), Arc::<AtomicUsize>::default());
        for number in 0..cores {
            let (receiver, pending) = (Arc::clone(&receiver), Arc::clone(&pending));
            let name = format!("long-work-{number}");
            thread::Builder::new().name(name).spawn(move || run_jobs(&receiver, &pending))?;
        }
        Ok(Self { queue: sender, pending, capacity: cores * (QUEUED_PER_THREAD + 1) })
    }

    /// Returns the number of jobs that wait or run, and their maximum.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.pending.load(Ordering::Relaxed), self.capacity)
    }
}

fn run_jobs(jobs: &Mutex<Receiver<QueuedJob>>, pending: &AtomicUsize) {
    // If the system does not allow a change of priority, the thread runs at the normal one.
    let _ = rustix::process::nice(NICENESS);
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(QueuedJob { job, done }) = next else { return };
        // The caller can have gone. A panic ends its own job and not the thread.
        let succeeded =
            !done.is_closed() && std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_ok();
        pending.fetch_sub(1, Ordering::Relaxed);
        if succeeded {
            let _ = done.send(());
        }
    }
}

#[async_trait]
impl BlockingExecutor for BlockingPool {
    async fn run(&self, job: Job) -> Result<(), RequestError> {
        const BUSY: RequestError =
            RequestError::ResourceExhausted("too many passwords are being checked; try again soon");
        let (done, finished) = oneshot::channel();
        self.pending.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(QueuedJob { job, done }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.pending.fetch_sub(1, Ordering::Relaxed);
                return Err(BUSY);
            }
        }
        // If the job did not complete, there is no result, which the caller notices.
        let _ = finished.await;
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
mod tests {
    use latchkey_management::ports::tokens::run_blocking;

    use super::*;

    #[tokio::test]
    async fn a_result_is_returned_and_a_panic_is_an_internal_error() {
        let pool = BlockingPool::start().unwrap();
        assert_eq!(run_blocking(&pool, || 6 * 7).await, Ok(42));
        let failed = run_blocking(&pool, || -> u8 { panic!("no") }).await;
        assert!(matches!(failed, Err(latchkey_core::error::ManagementError::System(_))));
        assert_eq!(run_blocking(&pool, || 1).await, Ok(1));
    }

    #[tokio::test]
    async fn jobs_beyond_the_limit_are_refused_at_once() {
        let pool = Arc::new(BlockingPool::start().unwrap());
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let cores = thread::available_parallelism().unwrap().get();
        let mut waiting = Vec::new();
        let mut refused = 0;
        for _ in 0..cores * (QUEUED_PER_THREAD + 1) + 8 {
            let gate = Arc::clone(&gate);
            let job: Job = Box::new(move || drop(gate.lock().unwrap_or_else(PoisonError::into_inner)));
            let mut run = Box::pin({
                let pool = Arc::clone(&pool);
                async move { pool.run(job).await }
            });
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match run.as_mut().poll(&mut context) {
                std::task::Poll::Ready(Err(RequestError::ResourceExhausted(_))) => refused += 1,
                _ => waiting.push(run),
            }
        }
        assert!(refused >= 8, "{refused}");
        drop(held);
        for run in waiting {
            run.await.unwrap();
        }
    }
}
