//! Threads for work that takes long: hashing passwords, making keys. As many as there are cores, and below the
//! others in the system's order, so that calls are judged as if they weren't there; a few pieces of work wait,
//! and the rest is refused at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use latchkey_core::trouble::Refusal;
use latchkey_management::ports::tokens::{Job, Workers};
use tokio::sync::oneshot;

/// How much waits, for each thread.
const WAITING: usize = 2;
/// How far below others the threads stand; 19 is the most.
const BELOW: i32 = 10;

struct Piece {
    job: Job,
    done: oneshot::Sender<()>,
}

/// The threads. They end when this is dropped.
pub(crate) struct Threads {
    queue: SyncSender<Piece>,
    /// Pieces that wait or are worked on.
    held: Arc<AtomicUsize>,
    most: usize,
}

impl Threads {
    /// Starts as many as there are cores.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (sender, receiver) = sync_channel(cores * WAITING);
        let (receiver, held) = (Arc::new(Mutex::new(receiver)), Arc::<AtomicUsize>::default());
        for number in 0..cores {
            let (receiver, held) = (Arc::clone(&receiver), Arc::clone(&held));
            let name = format!("long-work-{number}");
            thread::Builder::new().name(name).spawn(move || work(&receiver, &held))?;
        }
        Ok(Self { queue: sender, held, most: cores * (WAITING + 1) })
    }

    /// How many pieces wait or are worked on, and how many may.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.held.load(Ordering::Relaxed), self.most)
    }
}

fn work(pieces: &Mutex<Receiver<Piece>>, held: &AtomicUsize) {
    // Where the system doesn't allow it, the work is done all the same.
    let _ = rustix::process::nice(BELOW);
    loop {
        let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Piece { job, done }) = next else { return };
        // Whoever asked may have gone; a piece that panics takes its own thread's turn and no more.
        let well = !done.is_closed() && std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_ok();
        held.fetch_sub(1, Ordering::Relaxed);
        if well {
            let _ = done.send(());
        }
    }
}

#[async_trait]
impl Workers for Threads {
    async fn run(&self, job: Job) -> Result<(), Refusal> {
        const BUSY: Refusal = Refusal::Busy("too many passwords are being checked; try again soon");
        let (done, finished) = oneshot::channel();
        self.held.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(Piece { job, done }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.held.fetch_sub(1, Ordering::Relaxed);
                return Err(BUSY);
            }
        }
        // Where it didn't come to an end, nothing was worked out, and its asker finds that.
        let _ = finished.await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use latchkey_management::ports::tokens::work;

    use super::*;

    #[tokio::test]
    async fn what_is_worked_out_comes_back_and_a_panic_is_a_fault() {
        let threads = Threads::start().unwrap();
        assert_eq!(work(&threads, || 6 * 7).await, Ok(42));
        let failed = work(&threads, || -> u8 { panic!("no") }).await;
        assert!(matches!(failed, Err(latchkey_core::trouble::Failure::Trouble(_))));
        assert_eq!(work(&threads, || 1).await, Ok(1));
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_is_refused_at_once() {
        let threads = Arc::new(Threads::start().unwrap());
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let cores = thread::available_parallelism().unwrap().get();
        let mut waiting = Vec::new();
        let mut refused = 0;
        for _ in 0..cores * (WAITING + 1) + 8 {
            let gate = Arc::clone(&gate);
            let job: Job = Box::new(move || drop(gate.lock().unwrap_or_else(PoisonError::into_inner)));
            let mut run = Box::pin({
                let threads = Arc::clone(&threads);
                async move { threads.run(job).await }
            });
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match run.as_mut().poll(&mut context) {
                std::task::Poll::Ready(Err(Refusal::Busy(_))) => refused += 1,
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
