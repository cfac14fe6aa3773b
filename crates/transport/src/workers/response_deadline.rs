//! Bounds of the calls that wait. A response that is ready waits in its stream until the client's flow-control window
//! has room for it (RFC 9113 section 5.2); it has a deadline, since a client that never gives it room would keep it
//! for ever. A response that is a stream without an end has none: the service limits the number of such streams.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::inline_executor::CallFuture;
use crate::listen::{Connection, EndlessCall};

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

/// Kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// Message that the client must take in time.
    Message,
    /// Stream without an end. The service limits their number, and a connection that has no other calls makes room
    /// when others wait.
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
    deadline: Option<(Pin<Box<Sleep>>, CounterEntry)>,
    connection: Arc<Connection>,
    /// Entry among the calls that wait.
    waits: Option<CounterEntry>,
    /// Entry among the connection's streams without an end.
    endless: Option<EndlessCall>,
}

/// Entry of a counter, until it is dropped.
struct CounterEntry(&'static AtomicUsize);

impl CounterEntry {
    /// Returns the entry and the number of the others.
    fn enter(counter: &'static AtomicUsize) -> (Self, usize) {
        let others = counter.fetch_add(1, Ordering::Relaxed);
        (Self(counter), others)
    }
}

impl Drop for CounterEntry {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WaitingCall {
    /// Returns the call of a connection, or `None` if too many calls of the process wait. A call that is dropped resets
    /// its stream.
    pub(super) fn new(
        call: CallFuture,
        response: Option<ResponseKind>,
        connection: &Arc<Connection>,
    ) -> Option<Self> {
        let (counted, others) = CounterEntry::enter(&WAITING);
        let (connection, waits) = (Arc::clone(connection), Some(counted));
        let mut waiting = Self { call, deadline: None, connection, waits, endless: None };
        waiting.count(response);
        (others < MAX_WAITING_CALLS).then_some(waiting)
    }

    /// Counts the call by its response, if that has become ready.
    fn count(&mut self, response: Option<ResponseKind>) {
        match response {
            None => {}
            Some(ResponseKind::Message) => {
                let (counted, others) = CounterEntry::enter(&NOT_TAKEN);
                let time = if others < MANY { RESPONSE_TIMEOUT } else { SHORT_RESPONSE_TIMEOUT };
                self.deadline = Some((Box::pin(sleep(time)), counted));
            }
            Some(ResponseKind::Endless) => {
                drop(self.waits.take());
                drop(self.endless.replace(self.connection.endless_call()));
            }
        }
    }
}

impl Future for WaitingCall {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let (polled, response) = poll_call(&mut this.call, cx);
        if polled.is_ready() {
            return Poll::Ready(());
        }
        this.count(response);
        // The stream is reset when the call is dropped.
        this.deadline.as_mut().map_or(Poll::Pending, |(deadline, _)| deadline.as_mut().poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;
    use crate::listen::Client;

    fn waiting(call: CallFuture, response: Option<ResponseKind>) -> WaitingCall {
        let connection = Arc::new(Connection::new(Client::of([127, 0, 0, 1].into())));
        WaitingCall::new(call, response, &connection).unwrap()
    }

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
        waiting(Box::pin(call), None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_and_a_stream_have_no_deadline_here() {
        for response in [None, Some(ResponseKind::Endless)] {
            let waiting = waiting(Box::pin(pending()), response);
            assert!(tokio::time::timeout(Duration::from_secs(3_600), waiting).await.is_err());
        }
    }
}
