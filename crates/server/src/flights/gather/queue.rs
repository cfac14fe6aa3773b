//! Who waits for what, and how many queries are in flight. Plain state: no task and no clock.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use tokio::sync::oneshot::Sender;

use super::Answer;

/// Queries in flight at once: enough to keep a database busy, and far from every connection.
pub(super) const MOST_FLIGHTS: usize = 4;
/// What one query asks about at most.
pub(super) const MOST_SEATS: usize = 256;

/// Look-ups of one sort that aren't answered yet.
pub(super) struct Queue<K, T> {
    /// What is asked about now or soon, and who came since the query about it began.
    waiting: HashMap<K, Vec<Sender<Answer<T>>>>,
    /// What is waited for and not asked about now, oldest first.
    ready: VecDeque<K>,
    /// Queries in flight, and one that is about to begin.
    flights: usize,
    /// Whether one is about to begin: it takes along whoever comes until it does.
    boarding: bool,
    /// What one query asks about now.
    seats: usize,
}

/// One thing that a query asks about, and for whom.
pub(super) struct Seat<K, T> {
    pub(super) thing: K,
    callers: Vec<Sender<Answer<T>>>,
}

impl<K, T: Clone> Seat<K, T> {
    /// Tells everybody. Whoever has gone away need not be told.
    pub(super) fn tell(mut self, answer: Answer<T>) {
        let last = self.callers.pop();
        for caller in self.callers {
            let _ = caller.send(answer.clone());
        }
        let _ = last.map(|caller| caller.send(answer));
    }
}

impl<K: Clone + Eq + Hash, T> Queue<K, T> {
    pub(super) fn new() -> Self {
        let (waiting, ready) = (HashMap::new(), VecDeque::new());
        Self { waiting, ready, flights: 0, boarding: false, seats: MOST_SEATS }
    }

    /// Someone wants to know about a thing.
    pub(super) fn enter(&mut self, thing: K, caller: Sender<Answer<T>>) {
        match self.waiting.entry(thing) {
            // It is ready, or in flight and will be ready when that has arrived.
            Entry::Occupied(mut others) => others.get_mut().push(caller),
            Entry::Vacant(place) => {
                self.ready.push_back(place.key().clone());
                place.insert(vec![caller]);
            }
        }
    }

    /// Whether one more query is wanted, and there is room for it.
    pub(super) fn may_begin(&self) -> bool {
        !self.ready.is_empty() && !self.boarding && self.flights < MOST_FLIGHTS
    }

    /// A query is about to begin.
    pub(super) fn begin(&mut self) {
        self.flights += 1;
        self.boarding = true;
    }

    /// It begins.
    pub(super) fn take_off(&mut self) {
        self.boarding = false;
    }

    /// What the next query asks about. What nobody waits for any more is not asked about.
    pub(super) fn leave(&mut self) -> Vec<Seat<K, T>> {
        let mut leaving = Vec::new();
        while leaving.len() < self.seats
            && let Some(thing) = self.ready.pop_front()
        {
            let mut callers = self.waiting.get_mut(&thing).map(std::mem::take).unwrap_or_default();
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                self.waiting.remove(&thing);
            } else {
                leaving.push(Seat { thing, callers });
            }
        }
        leaving
    }

    /// A query about a thing is over; whoever came meanwhile needs another.
    pub(super) fn arrive(&mut self, thing: &K) {
        if self.waiting.get(thing).is_some_and(Vec::is_empty) {
            self.waiting.remove(thing);
        } else if self.waiting.contains_key(thing) {
            self.ready.push_back(thing.clone());
        }
    }

    /// A database that missed its deadline is asked about half as much at once, and slowly trusted again: one
    /// big question that always fails would be worse than many small ones.
    pub(super) fn learn(&mut self, asked: usize, outage: bool) {
        if outage {
            self.seats = (asked / 2).max(1);
        } else if asked >= self.seats {
            self.seats = (self.seats * 2).min(MOST_SEATS);
        }
    }

    /// A place is free again.
    pub(super) fn end(&mut self) {
        self.flights -= 1;
    }

    /// Whether nobody waits for anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty() && self.flights == 0
    }
}
