//! Bounds of the calls that wait. A response that is ready waits in its stream until the client's flow-control window
//! has room for it (RFC 9113 section 5.2); it has a deadline, since a client that never gives it room would keep it
//! for ever. A response that is a stream without an end has none; the number of such streams is limited separately.

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
/// Maximum number of responses of the process that are streams without an end: one for each of the connections that a
/// port has by default.
const MAX_ENDLESS: usize = 8 * 1024;

/// Number of calls of the process that wait.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Number of responses of the process that are not taken.
static NOT_TAKEN: AtomicUsize = AtomicUsize::new(0);
/// Number of responses of the process that are streams without an end.
static ENDLESS: AtomicUsize = AtomicUsize::new(0);

/// Kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// Message that the client must take in time.
    Message,
    /// Stream without an end.
    Endless,
}

thread_local! {
    /// Response of the call that is being polled.
    static RESPONDED: Cell<Option<ResponseKind>> = const { Cell::new(None) };
}

/// Records that the call that is being polled has its response.
pub fn response_is_ready(kind: ResponseKind) {
    RESPONDED.set(Some(kind));
}

/// Polls a call, and returns its response if it waits for its client to take that.
pub(super) fn poll_call(call: &mut CallFuture, cx: &mut Context<'_>) -> (Poll<()>, Option<ResponseKind>) {
    RESPONDED.set(None);
    let polled = call.as_mut().poll(cx);
    (polled, RESPONDED.get())
}

/// Call that did not complete at its first poll.
pub(super) struct WaitingCall {
    call: CallFuture,
    /// Deadline for the client to take the response.
    deadline: Option<(Pin<Box<Sleep>>, Counted)>,
    /// Entry among the calls that wait, or among the streams without an end.
    counted: Counted,
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
    pub(super) fn new(call: CallFuture, response: Option<ResponseKind>) -> Option<Self> {
        let (counted, others) = Counted::enter(&WAITING);
        let mut waiting = Self { call, deadline: None, counted };
        (others < MAX_WAITING_CALLS && waiting.has_room(response)).then_some(waiting)
    }

    /// Counts the call by its response, if that has become ready. Returns false if there are too many such calls.
    fn has_room(&mut self, response: Option<ResponseKind>) -> bool {
        match response {
            None => true,
            Some(ResponseKind::Message) => {
                let (counted, others) = Counted::enter(&NOT_TAKEN);
                let time = if others < MANY { RESPONSE_TIMEOUT } else { SHORT_RESPONSE_TIMEOUT };
                self.deadline = Some((Box::pin(sleep(time)), counted));
                true
            }
            Some(ResponseKind::Endless) => {
                let (counted, others) = Counted::enter(&ENDLESS);
                self.counted = counted;
                others < MAX_ENDLESS
            }
        }
    }
}

impl Future for WaitingCall {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (polled, response) = poll_call(&mut this.call, cx);
        // The stream is reset when the call is dropped.
        if polled.is_ready() || !this.has_room(response) {
            return Poll::Ready(());
        }
        this.deadline.as_mut().map_or(Poll::Pending, |(deadline, _)| deadline.as_mut().poll(cx))
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
            if polls == 1 {
                response_is_ready(ResponseKind::Message);
            }
            Poll::<()>::Pending
        });
        WaitingCall::new(Box::pin(call), None).unwrap().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_and_a_stream_have_no_deadline_here() {
        for response in [None, Some(ResponseKind::Endless)] {
            let waiting = WaitingCall::new(Box::pin(pending()), response).unwrap();
            assert!(tokio::time::timeout(Duration::from_secs(3_600), waiting).await.is_err());
        }
    }
}
