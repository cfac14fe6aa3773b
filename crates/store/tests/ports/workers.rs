//! Executor of long computations that tests control.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use latchkey_core::error::RequestError;
use latchkey_management::ports::tokens::{BlockingExecutor, Job};
use tokio::sync::Notify;

/// Runs jobs on the caller's thread and counts them. Refuses them while busy, and queues them while there is a
/// queue.
#[derive(Default)]
pub(crate) struct CountingWorkers(pub(crate) AtomicUsize, pub(crate) AtomicBool, pub(crate) KeptJobs);

/// Queue of jobs; `None` to run each job at once.
#[derive(Default)]
pub(crate) struct KeptJobs {
    pub(crate) jobs: Mutex<Option<Vec<Job>>>,
    pub(crate) added: Notify,
}

#[async_trait]
impl BlockingExecutor for CountingWorkers {
    async fn run(&self, job: Job) -> Result<(), RequestError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(RequestError::ResourceExhausted("busy"));
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        let job = match &mut *self.2.jobs.lock().unwrap() {
            Some(jobs) => {
                jobs.push(job);
                self.2.added.notify_one();
                None
            }
            None => Some(job),
        };
        let Some(job) = job else { return std::future::pending().await };
        job();
        Ok(())
    }

    fn capacity(&self) -> usize {
        if self.2.jobs.lock().unwrap().is_some() { 4 } else { usize::MAX }
    }
}
