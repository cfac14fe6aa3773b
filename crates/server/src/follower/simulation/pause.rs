//! Pauses of a whole process.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Switch that stops a process as a whole.
#[derive(Default)]
pub(super) struct Pause {
    paused: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Pause {
    /// Stops the process, or lets it go on.
    pub(super) fn set(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            waker.wake();
        }
    }
}

/// Returns a future that stands still while its process is paused.
pub(super) async fn pausable<F: Future<Output = ()>>(pause: Arc<Pause>, future: F) {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if pause.paused.load(Ordering::SeqCst) {
            pause.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(context.waker().clone());
            return Poll::Pending;
        }
        future.as_mut().poll(context)
    })
    .await;
}
