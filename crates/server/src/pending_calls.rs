//! Bound of the process on gRPC calls that wait: for their messages, or for stores. A call that is ready at once is never
//! one of them. If there are too many, those whose messages are missing are ended, the longest waiting first: a
//! well-behaved client sends its message within milliseconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Maximum number of calls that wait.
const MAX_CALLS: usize = 8 * 1024;
/// Maximum size of the messages that are being received, with what each such call needs besides.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// Maximum size of the messages that were compressed, of all calls that have no response yet. A few kilobytes can become
/// megabytes, so that these are bounded apart.
const MAX_UNPACKED_BYTES: usize = 64 * 1024 * 1024;
/// Memory of a call whose message is being received: its metadata at the largest, its stream and its task.
pub(crate) const CALL_BYTES: usize = 24 * 1024;

/// Calls of the process that wait.
#[derive(Default)]
pub(crate) struct PendingCalls(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    /// Number of all calls that wait.
    calls: usize,
    /// Size of all entries of `incomplete`, and of the messages that were compressed.
    bytes: usize,
    /// Size of the messages that were compressed.
    unpacked: usize,
    /// Calls whose messages are missing, the longest waiting first.
    incomplete: BTreeMap<u64, IncompleteCall>,
}

struct IncompleteCall {
    bytes: usize,
    eviction: Arc<Eviction>,
}

/// Signal to a call that it must end.
#[derive(Default)]
struct Eviction {
    evicted: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Eviction {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn evict(&self) {
        self.evicted.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }
}

impl State {
    /// Ends the call that has waited longest for its message. Returns false if there is none.
    fn evict_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.incomplete.pop_first() else { return false };
        self.bytes -= oldest.bytes;
        oldest.eviction.evict();
        true
    }

    fn shrink(&mut self) {
        while self.bytes > MAX_BYTES && self.evict_oldest() {}
    }
}

impl PendingCalls {
    /// Returns calls for the whole life of the process, so that a call costs no count of references.
    pub(crate) fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that waits. `None` means that there are too many, and that none of them can be ended.
    pub(crate) fn enter(&'static self) -> Option<PendingCall> {
        let mut state = self.state();
        if state.calls >= MAX_CALLS && !state.evict_oldest() {
            return None;
        }
        state.calls += 1;
        Some(PendingCall(self))
    }

    /// Registers a call whose message is missing, with the bytes of it that are here.
    pub(crate) fn await_message(&'static self, received: usize) -> MessageWait {
        let eviction = Arc::<Eviction>::default();
        let bytes = received + CALL_BYTES;
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        state.bytes += bytes;
        state.incomplete.insert(number, IncompleteCall { bytes, eviction: Arc::clone(&eviction) });
        state.shrink();
        MessageWait { calls: self, number, eviction }
    }
}

/// Size of a call's message that was compressed, until it is dropped.
pub(crate) struct UnpackedBytes {
    calls: &'static PendingCalls,
    bytes: AtomicUsize,
}

impl UnpackedBytes {
    /// Counts no bytes yet.
    pub(crate) fn new(calls: &'static PendingCalls) -> Self {
        Self { calls, bytes: AtomicUsize::new(0) }
    }

    /// Counts further bytes. Returns false if all such messages are too large together.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let mut state = self.calls.state();
        if state.unpacked + bytes > MAX_UNPACKED_BYTES {
            return false;
        }
        state.unpacked += bytes;
        state.bytes += bytes;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        state.shrink();
        true
    }
}

impl Drop for UnpackedBytes {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        let bytes = *self.bytes.get_mut();
        state.unpacked -= bytes;
        state.bytes -= bytes;
    }
}

/// Call that waits, until it is dropped.
pub(crate) struct PendingCall(&'static PendingCalls);

impl Drop for PendingCall {
    fn drop(&mut self) {
        self.0.state().calls -= 1;
    }
}

/// Registration of a call whose message is missing, until it is dropped.
pub(crate) struct MessageWait {
    calls: &'static PendingCalls,
    number: u64,
    eviction: Arc<Eviction>,
}

impl MessageWait {
    /// Adds bytes of the message that have arrived.
    pub(crate) fn add(&self, received: usize) {
        let mut state = self.calls.state();
        if let Some(entry) = state.incomplete.get_mut(&self.number) {
            entry.bytes += received;
            state.bytes += received;
            state.shrink();
        }
    }

    /// Completes when the call must end.
    pub(crate) fn poll_evicted(&self, cx: &mut Context<'_>) -> Poll<()> {
        *self.eviction.waker() = Some(cx.waker().clone());
        if self.eviction.evicted.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for MessageWait {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        if let Some(entry) = state.incomplete.remove(&self.number) {
            state.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evicted(wait: &MessageWait) -> bool {
        wait.poll_evicted(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_call_that_has_waited_longest_for_its_message_is_ended() {
        let calls = PendingCalls::leak();
        let all: Vec<_> = (0..MAX_CALLS).map(|_| calls.enter().unwrap()).collect();
        assert!(calls.enter().is_none(), "all of them wait for stores");
        let (first, second) = (calls.await_message(0), calls.await_message(0));
        let one_more = calls.enter().unwrap();
        assert!(evicted(&first) && !evicted(&second));
        drop((all, one_more));
        assert!(calls.enter().is_some());
    }

    #[test]
    fn messages_that_arrive_slowly_have_a_bound_together() {
        let calls = PendingCalls::leak();
        let (first, second) = (calls.await_message(0), calls.await_message(0));
        first.add(MAX_BYTES / 2);
        second.add(MAX_BYTES / 2);
        assert!(evicted(&first) && !evicted(&second));
        drop((first, second));
        let state = calls.state();
        assert_eq!((state.bytes, state.incomplete.len()), (0, 0));
    }

    #[test]
    fn messages_that_were_compressed_have_a_bound_together_and_count_with_the_others() {
        let calls = PendingCalls::leak();
        let (first, second) = (UnpackedBytes::new(calls), UnpackedBytes::new(calls));
        assert!(first.add(MAX_UNPACKED_BYTES - 1) && second.add(1) && !second.add(1));
        let waiting = calls.await_message(0);
        waiting.add(MAX_BYTES - MAX_UNPACKED_BYTES);
        assert!(evicted(&waiting), "together with those that arrive, they are too many");
        drop(first);
        assert!(second.add(1));
        drop((second, waiting));
        let state = calls.state();
        assert_eq!((state.bytes, state.unpacked), (0, 0));
    }
}
