//! Open connections of a listener, with what decides which of them makes room when others wait: how long a connection has
//! been idle, and how many the same client has.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Client;

/// Time since the last call after which a connection counts as idle although a call is open on it: one that waits for
/// a database, say.
const LONGEST_CALL: Duration = Duration::from_secs(90);
/// Time since the last call after which a connection without open calls, or with streams without an end alone, counts as
/// idle when others wait.
const IDLE: Duration = Duration::from_secs(1);
/// Part of all connections up to which a client may take the place of idle ones of clients with fewer.
const CLAIM: usize = 16;
/// Interval at which the table looks which connections had calls.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// Open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    client: Client,
    /// Number of calls that were begun.
    begun: AtomicU64,
    /// Number of calls that are open.
    open: AtomicUsize,
    /// Number of open calls whose responses are streams without an end.
    endless: AtomicUsize,
    closing: AtomicBool,
    close: Notify,
}

/// Open call whose response is a stream without an end, until it is dropped.
pub(crate) struct EndlessCall(Arc<Connection>);

impl Drop for EndlessCall {
    fn drop(&mut self) {
        self.0.endless.fetch_sub(1, Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            begun: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            endless: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            close: Notify::new(),
        }
    }

    /// Counts a call that begins.
    pub(crate) fn call_begins(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// Sets the number of open calls.
    pub(crate) fn set_open_calls(&self, open: usize) {
        self.open.store(open, Relaxed);
    }

    /// Counts an open call whose response is a stream without an end, until the returned guard is dropped.
    pub(crate) fn endless_call(self: &Arc<Self>) -> EndlessCall {
        self.endless.fetch_add(1, Relaxed);
        EndlessCall(Arc::clone(self))
    }

    /// Completes when the connection must make room for another one.
    pub(crate) async fn closing(&self) {
        loop {
            let mut notified = pin!(self.close.notified());
            // Registered before the flag is read, so that no notification is missed.
            notified.as_mut().enable();
            if self.closing.load(SeqCst) {
                return;
            }
            notified.await;
        }
    }

    fn close(&self) {
        self.closing.store(true, SeqCst);
        self.close.notify_waiters();
    }
}

/// Connection with the moment from which it had no call.
struct Entry {
    connection: Arc<Connection>,
    seen: u64,
    idle_since: Instant,
}

/// Open connections of a listener.
pub(crate) struct ConnectionTable {
    /// Time without a call after which a connection is closed; `None` if it may stay.
    max_idle: Option<Duration>,
    state: Mutex<State>,
}

struct State {
    next: u64,
    open: HashMap<u64, Entry>,
    per_client: HashMap<Client, usize>,
    next_sweep: Instant,
}

/// Place of a connection in the table, until it is dropped.
pub(crate) struct TablePlace {
    table: Arc<ConnectionTable>,
    number: u64,
    connection: Arc<Connection>,
}

impl TablePlace {
    /// Returns the connection.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for TablePlace {
    fn drop(&mut self) {
        let mut state = self.table.state();
        if state.open.remove(&self.number).is_some()
            && let Some(held) = state.per_client.get_mut(&self.connection.client)
        {
            *held -= 1;
            if *held == 0 {
                state.per_client.remove(&self.connection.client);
            }
        }
    }
}

impl ConnectionTable {
    pub(crate) fn new(max_idle: Option<Duration>) -> Self {
        let (open, per_client) = (HashMap::new(), HashMap::new());
        let state = State { next: 0, open, per_client, next_sweep: Instant::now() + SWEEP_INTERVAL };
        Self { max_idle, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection of this client.
    pub(crate) fn enter(self: &Arc<Self>, client: Client) -> TablePlace {
        let connection = Arc::new(Connection::new(client));
        let mut state = self.state();
        state.next += 1;
        let number = state.next;
        *state.per_client.entry(connection.client).or_default() += 1;
        let entry = Entry { connection: Arc::clone(&connection), seen: 0, idle_since: Instant::now() };
        state.open.insert(number, entry);
        drop(state);
        TablePlace { table: Arc::clone(self), number, connection }
    }

    /// Returns the numbers of open connections of these clients.
    pub(crate) fn held(&self, clients: impl IntoIterator<Item = Client>) -> Vec<(Client, usize)> {
        let state = self.state();
        clients.into_iter().map(|client| (client, state.held(client))).collect()
    }

    /// Returns the moment of the next sweep.
    pub(crate) fn next_sweep(&self) -> Instant {
        self.state().next_sweep
    }

    /// Notes which connections had calls, and closes those that were idle for too long.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.next_sweep = now + SWEEP_INTERVAL;
        for entry in state.open.values_mut() {
            let begun = entry.connection.begun.load(Relaxed);
            if begun != entry.seen {
                (entry.seen, entry.idle_since) = (begun, now);
            }
            let idle = now - entry.idle_since;
            if self.max_idle.is_some_and(|max| idle > max) && entry.is_idle(idle) {
                entry.connection.close();
            }
        }
    }

    /// Closes connections, so that others of the clients in `waiting` get room. Returns the number of connections that
    /// are closing.
    pub(crate) fn make_room(&self, waiting: impl IntoIterator<Item = Client>) -> usize {
        let now = Instant::now();
        let state = self.state();
        let mut closing = state.open.values().filter(|entry| entry.is_closing()).count();
        let mut waiting: Vec<_> = waiting.into_iter().map(|client| (state.held(client), client)).collect();
        // Room goes to the client with the fewest connections first.
        waiting.sort_unstable();
        for (_, newcomer) in waiting.into_iter().skip(closing) {
            // If none makes room for this client, none does for those with more.
            let Some(entry) = state.connection_to_close(newcomer, now) else { break };
            entry.connection.close();
            closing += 1;
        }
        closing
    }
}

impl Entry {
    fn is_closing(&self) -> bool {
        self.connection.closing.load(Relaxed)
    }

    /// Returns whether the connection has no call, or none that began within [`LONGEST_CALL`].
    fn is_idle(&self, idle: Duration) -> bool {
        self.is_unused(idle, self.connection.open.load(Relaxed) > 0)
    }

    /// Returns whether the connection counts as idle when others wait. A stream without an end is no use then: its client
    /// could keep the place with it for ever.
    fn can_make_room(&self, idle: Duration) -> bool {
        let (open, endless) = (self.connection.open.load(Relaxed), self.connection.endless.load(Relaxed));
        self.is_unused(idle, open > endless)
    }

    fn is_unused(&self, idle: Duration, open: bool) -> bool {
        let begun = self.connection.begun.load(Relaxed) != self.seen;
        !begun && idle >= if open { LONGEST_CALL } else { IDLE }
    }
}

impl State {
    fn held(&self, client: Client) -> usize {
        self.per_client.get(&client).copied().unwrap_or_default()
    }

    /// Returns the connection that makes room for one of `newcomer`: an idle one, of a client with more than its share
    /// before others, the longest idle first. A client with more than its share, and more than its part of all connections
    /// ([`CLAIM`]), gets no room from clients with fewer: otherwise, one that keeps many connections in use could close those
    /// that others need in a moment. If none is idle, one of the client that has most makes room, if that one has more than
    /// the newcomer would have.
    fn connection_to_close(&self, newcomer: Client, now: Instant) -> Option<&Entry> {
        let held = |entry: &Entry| self.held(entry.connection.client);
        let (own, open) = (self.held(newcomer), self.open.len());
        let share = open / self.per_client.len().max(1);
        let least = if own < share.max(open / CLAIM) { 0 } else { own };
        let candidates = || self.open.values().filter(|entry| !entry.is_closing());
        let is_idle = |entry: &&Entry| entry.can_make_room(now - entry.idle_since) && held(entry) >= least;
        let idle = candidates().filter(is_idle);
        let rank = |entry: &&Entry| (held(entry) > share, now - entry.idle_since);
        idle.max_by_key(rank).or_else(|| {
            let most = candidates().max_by_key(|entry| (held(entry), now - entry.idle_since))?;
            (held(most) > own + 1).then_some(most)
        })
    }
}

#[cfg(test)]
mod tests;
