//! A TCP proxy that injects faults: it delays, holds and drops data and closes connections, in either
//! direction. It uses threads and blocking sockets, since a service has few connections to its stores.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// Direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// Faults in one direction.
#[derive(Debug)]
struct Faults {
    delay_ms: AtomicU64,
    held: AtomicBool,
    /// Bytes until the connection is closed; `u64::MAX` for never.
    cut_after: AtomicU64,
    /// Messages until one is dropped; `u64::MAX` for never.
    drop_in: AtomicU64,
}

impl Default for Faults {
    fn default() -> Self {
        let never = || AtomicU64::new(u64::MAX);
        let (delay_ms, held) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { delay_ms, held, cut_after: never(), drop_in: never() }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Port that new connections go to.
    target: AtomicU16,
    up: Faults,
    down: Faults,
    refusing: AtomicBool,
    /// Keyword: while `muted`, connections over which the client has sent it are silent.
    keyword: Mutex<Vec<u8>>,
    muted: AtomicBool,
    over: AtomicBool,
    open: Mutex<Vec<(Arc<ProxiedConnection>, [TcpStream; 2])>>,
    /// Number of times that every connection was closed. One that is being accepted meanwhile is closed as well.
    closed: AtomicU64,
    taken: AtomicU64,
}

impl State {
    fn faults(&self, direction: Direction) -> &Faults {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn close_all(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.fetch_add(1, Ordering::SeqCst);
        for stream in open.drain(..).flat_map(|(_, streams)| streams) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A proxy to one port on loopback, which ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    state: Arc<State>,
    port: u16,
}

impl Proxy {
    /// Starts a proxy in front of this port.
    #[must_use]
    pub fn to(target: u16) -> Self {
        Self::with_keyword(target, "")
    }

    /// Starts a proxy in front of this port. Connections over which the client sends this keyword can be
    /// muted.
    #[must_use]
    pub fn with_keyword(target: u16, keyword: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let (target, keyword) = (AtomicU16::new(target), Mutex::new(keyword.as_bytes().to_vec()));
        let state = Arc::new(State { target, keyword, ..State::default() });
        let shared = Arc::clone(&state);
        spawn(move || accept(&listener, &shared));
        Self { state, port }
    }

    /// Returns the port of the proxy.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends new connections to another port; open ones are not changed.
    pub fn retarget(&self, port: u16) {
        self.state.target.store(port, Ordering::SeqCst);
    }

    /// Delays the data in this direction.
    pub fn delay(&self, direction: Direction, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.state.faults(direction).delay_ms.store(millis, Ordering::SeqCst);
    }

    /// Holds the data in this direction until it is released again; connections stay open.
    pub fn hold(&self, direction: Direction, held: bool) {
        self.state.faults(direction).held.store(held, Ordering::SeqCst);
    }

    /// Holds the data in both directions, without closing a connection.
    pub fn black_hole(&self, on: bool) {
        self.hold(Direction::Up, on);
        self.hold(Direction::Down, on);
    }

    /// Closes every connection after so many more bytes in this direction.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.state.faults(direction).cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Drops the n-th message from now on; the next one is the first.
    pub fn drop_message(&self, direction: Direction, n: u64) {
        self.state.faults(direction).drop_in.store(n, Ordering::SeqCst);
    }

    /// Mutes every connection over which the client has sent the keyword: while `on`, the server's data is
    /// held, and no connection is closed.
    pub fn mute(&self, on: bool) {
        self.state.muted.store(on, Ordering::SeqCst);
    }

    /// Returns the number of connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.taken.load(Ordering::SeqCst)
    }

    /// Closes every connection.
    pub fn reset(&self) {
        self.state.close_all();
    }

    /// Closes every connection and each new one, or accepts them again.
    pub fn refuse(&self, on: bool) {
        self.state.refusing.store(on, Ordering::SeqCst);
        if on {
            self.state.close_all();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.state.close_all();
        // Wakes the thread that accepts connections.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming().flatten() {
        if state.over.load(Ordering::SeqCst) {
            return;
        }
        let closed = state.closed.load(Ordering::SeqCst);
        if state.refusing.load(Ordering::SeqCst) {
            continue;
        }
        let target = state.target.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let copies = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let (Some(up), Some(down), Some(kept)) = (copies(), copies(), copies()) else { continue };
        let connection = Arc::<ProxiedConnection>::default();
        state.taken.fetch_add(1, Ordering::SeqCst);
        {
            let mut open = state.open.lock().unwrap_or_else(PoisonError::into_inner);
            if state.closed.load(Ordering::SeqCst) != closed {
                continue;
            }
            open.retain(|(connection, _)| !connection.closed.load(Ordering::SeqCst));
            open.push((Arc::clone(&connection), [kept.0, kept.1]));
        }
        for (direction, (from, to)) in [(Direction::Up, up), (Direction::Down, (down.1, down.0))] {
            let (state, connection) = (Arc::clone(state), Arc::clone(&connection));
            spawn(move || pump((from, to), (direction, &connection), &state));
        }
    }
}

/// A connection through the proxy.
#[derive(Debug, Default)]
struct ProxiedConnection {
    /// True once the client has sent the keyword.
    said: AtomicBool,
    /// True once one of the two sides has ended.
    closed: AtomicBool,
}

fn pump(
    (mut from, mut to): (TcpStream, TcpStream),
    (direction, connection): (Direction, &ProxiedConnection),
    state: &State,
) {
    let keyword = state.keyword.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let faults = state.faults(direction);
        let delay = faults.delay_ms.load(Ordering::SeqCst);
        if delay > 0 {
            // The delay that was asked for.
            sleep(Duration::from_millis(delay));
        }
        if direction == Direction::Up && !keyword.is_empty() {
            let here = buffer[..read].windows(keyword.len()).any(|window| window == keyword);
            connection.said.fetch_or(here, Ordering::SeqCst);
        }
        let muted = || {
            direction == Direction::Down
                && connection.said.load(Ordering::SeqCst)
                && state.muted.load(Ordering::SeqCst)
        };
        let over = || state.over.load(Ordering::SeqCst) || connection.closed.load(Ordering::SeqCst);
        // Polls until the data is released. There is no deadline, because the test decides how long it is
        // held.
        while (faults.held.load(Ordering::SeqCst) || muted()) && !over() {
            sleep(Duration::from_millis(2));
        }
        if reaches_zero(&faults.drop_in, 1) {
            continue;
        }
        let cut = reaches_zero(&faults.cut_after, u64::try_from(read).unwrap_or(u64::MAX));
        if cut || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    connection.closed.store(true, Ordering::SeqCst);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Counts down, and returns whether the counter has just reached zero. A counter of `u64::MAX` stays
/// unchanged.
fn reaches_zero(counter: &AtomicU64, by: u64) -> bool {
    let next = |left| (left != u64::MAX).then(|| if left <= by { u64::MAX } else { left - by });
    let before = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    before.is_ok_and(|left| left <= by)
}
