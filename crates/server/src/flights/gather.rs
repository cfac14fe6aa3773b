//! Many look-ups, one query. A look-up is sent at once while few queries are in flight; otherwise it waits, and
//! the next query takes along whatever waits by then. Nobody waits for the sake of gathering.
//!
//! Queries run on a runtime that is given, and callers only wait for their answers: they may be on any runtime,
//! and one that goes away cancels nothing. Two rules keep answers true. A call shares only a query that began
//! after the call arrived: one that was under way already may not know of a revocation that was over before the
//! call came. And one thing is asked about by one query at a time.

mod queue;

use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_core::trouble::Trouble;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::queue::{Queue, Seat};

/// How long a call waits in all: for the query under way, and for the one that it takes part in.
const LONGEST: Duration = Duration::from_millis(130);

type Answer<T> = Result<T, Trouble>;
/// Asks about several things; answers about each, in their order.
type Ask<K, T> = dyn Fn(Vec<K>) -> Pin<Box<dyn Future<Output = Vec<Answer<T>>> + Send>> + Send + Sync;

/// Look-ups of one sort.
pub(super) struct Gather<K, T>(Arc<Line<K, T>>);

struct Line<K, T> {
    runtime: Handle,
    ask: Box<Ask<K, T>>,
    queue: Mutex<Queue<K, T>>,
}

/// What can be asked about.
pub(super) trait Thing: Clone + Eq + Hash + Send + 'static {}
impl<K: Clone + Eq + Hash + Send + 'static> Thing for K {}

impl<K: Thing, T: Clone + Send + 'static> Gather<K, T> {
    /// Asks by `ask`, in tasks of `runtime`.
    pub(super) fn new<F>(runtime: Handle, ask: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<Answer<T>>> + Send + 'static,
    {
        let ask = Box::new(move |things| Box::pin(ask(things)) as Pin<Box<_>>);
        Self(Arc::new(Line { runtime, ask, queue: Mutex::new(Queue::new()) }))
    }

    /// Looks a thing up.
    pub(super) async fn look_up(&self, thing: K) -> Answer<T> {
        let (answer, wait) = oneshot::channel();
        {
            let mut queue = self.0.queue();
            queue.enter(thing, answer);
            begin(&self.0, &mut queue);
        }
        match timeout(LONGEST, wait).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Trouble::Fault("a look-up ended without an answer".to_owned())),
            Err(_) => Err(Trouble::database()),
        }
    }
}

impl<K, T> Line<K, T> {
    /// Nothing that runs under this lock can leave a queue half changed.
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a query on its way, where one is wanted and there is room.
fn begin<K: Thing, T: Clone + Send + 'static>(line: &Arc<Line<K, T>>, queue: &mut Queue<K, T>) {
    if queue.may_begin() {
        queue.begin();
        let line = Arc::clone(line);
        line.runtime.clone().spawn(async move {
            let mut flight = Flight::take_off(&line);
            while !flight.seats.is_empty() {
                let things = flight.seats.iter().map(|seat| seat.thing.clone()).collect();
                flight.land((line.ask)(things).await);
            }
        });
    }
}

/// A query after another, each with those who take part, until nothing is left to be asked. However that ends,
/// its place is free again, and so is what it asked about.
struct Flight<'a, K: Thing, T: Clone + Send + 'static> {
    line: &'a Arc<Line<K, T>>,
    seats: Vec<Seat<K, T>>,
    over: bool,
}

impl<'a, K: Thing, T: Clone + Send + 'static> Flight<'a, K, T> {
    fn take_off(line: &'a Arc<Line<K, T>>) -> Self {
        let mut flight = Self { line, seats: Vec::new(), over: false };
        let mut queue = line.queue();
        queue.take_off();
        flight.board(&mut queue);
        begin(line, &mut queue);
        drop(queue);
        flight
    }

    fn board(&mut self, queue: &mut Queue<K, T>) {
        self.seats = queue.leave();
        if self.seats.is_empty() {
            // At the same moment, so that whoever comes next finds the place free.
            queue.end();
            self.over = true;
        }
    }

    fn land(&mut self, answers: Vec<Answer<T>>) {
        let landed = {
            let mut queue = self.line.queue();
            queue.learn(self.seats.len(), answers.iter().any(is_outage));
            let landed = std::mem::take(&mut self.seats);
            for seat in &landed {
                queue.arrive(&seat.thing);
            }
            self.board(&mut queue);
            landed
        };
        for (seat, answer) in landed.into_iter().zip(answers) {
            seat.tell(answer);
        }
    }
}

impl<K: Thing, T: Clone + Send + 'static> Drop for Flight<'_, K, T> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut queue = self.line.queue();
        for seat in &self.seats {
            queue.arrive(&seat.thing);
        }
        queue.end();
        begin(self.line, &mut queue);
    }
}

fn is_outage<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Err(Trouble::Outage { .. }))
}

#[cfg(test)]
mod tests;
