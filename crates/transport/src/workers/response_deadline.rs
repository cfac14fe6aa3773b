//! Deadline for the client to take a response. A response that is ready waits in its stream until the client gives it
//! room (RFC 9113 section 5.2); a client that never does would keep it for ever.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::inline_executor::CallFuture;

/// Time in which a client must take a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Shorter time, where many responses of the process are not taken.
const SHORT_RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Number of responses that are not taken, from which on the short time applies.
const MANY: usize = 4_096;

/// Maximum number of calls of the process that wait: for their messages, for stores, or for clients to take responses.
const MAX_WAITING_CALLS: usize = 32 * 1024;

/// Number of calls of the process that wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Number of responses of the process that are not taken.
static NOT_TAKEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// True if the call that is being polled has a response that must be taken in time.
    static RESPONDED: Cell<bool> = const { Cell::new(false) };
}

/// Says that the call that is being polled has its response, which the client must take in time. A call whose response is
/// a stream without an end does not say so.
pub fn response_is_ready() {
    RESPONDED.set(true);
}

/// Polls a call, and returns true if it waits for its client to take the response.
pub(super) fn poll_call(call: &mut CallFuture, cx: &mut Context<'_>) -> (Poll<()>, bool) {
    RESPONDED.set(false);
    let polled = call.as_mut().poll(cx);
    (polled, RESPONDED.get())
}

/// Call that did not complete at its first poll.
pub(super) struct WaitingCall {
    call: CallFuture,
    /// Deadline for the response, from the moment at which it is ready.
    deadline: Option<(Pin<Box<Sleep>>, Counted)>,
    /// True if the response is ready.
    responded: bool,
    _counted: Counted,
}

/// Entry of a counter, until it is dropped.
struct Counted(&'static AtomicUsize);

impl Counted {
    /// Returns the entry and the number of the others.
    fn enter(counter: &'static AtomicUsize) -> (Self, usize) {
        let others = counter.fetch_add(1, Ordering::Relaxed);
        (Self(counter), others)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WaitingCall {
    /// Returns the call, or `None` if too many calls of the process wait. A call that is dropped resets its stream.
    pub(super) fn new(call: CallFuture, responded: bool) -> Option<Self> {
        let (counted, others) = Counted::enter(&WAITING);
        let admitted = others < MAX_WAITING_CALLS;
        admitted.then_some(Self { call, deadline: None, responded, _counted: counted })
    }
}

impl Future for WaitingCall {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (polled, responded) = poll_call(&mut this.call, cx);
        this.responded |= responded;
        if polled.is_ready() || !this.responded {
            return polled;
        }
        let (deadline, _) = this.deadline.get_or_insert_with(|| {
            let (counted, others) = Counted::enter(&NOT_TAKEN);
            let time = if others < MANY { RESPONSE_TIMEOUT } else { SHORT_RESPONSE_TIMEOUT };
            (Box::pin(sleep(time)), counted)
        });
        // The stream is reset when the call is dropped.
        deadline.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_response_that_is_not_taken_is_dropped() {
        let mut polls = 0;
        let call = poll_fn(move |_| {
            polls += 1;
            if polls > 1 {
                response_is_ready();
            }
            Poll::<()>::Pending
        });
        WaitingCall::new(Box::pin(call), true).unwrap().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_has_no_deadline_here() {
        let waiting = WaitingCall::new(Box::pin(pending()), false).unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(3_600), waiting).await.is_err());
    }
}
