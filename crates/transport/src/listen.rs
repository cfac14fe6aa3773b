//! Listeners that keep serving well-behaved clients whatever others do: the number of connections is limited, idle
//! connections make room when others wait, a client that is silent or does not read is disconnected, and a failed
//! accept (no more file descriptors) is retried after a pause.

mod accepted;
mod address;
mod connection_stats;
mod connection_table;
mod first_bytes_timeout;
mod socket;
mod unix_socket;
mod write_timeout;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use accepted::AcceptedConnection;
pub(crate) use address::Client;
pub use address::{BindAddress, PeerAddress, UnixSocketFile};
use connection_stats::ConnectionSlot;
pub use connection_stats::{ConnectionStats, HandshakeOutcome};
pub(crate) use connection_table::{Connection, EndlessCall};
use connection_table::{ConnectionTable, TablePlace};
pub use first_bytes_timeout::FirstBytesTimeout;
use socket::{Socket, Stream};
use write_timeout::WriteTimeout;

/// Pause after a failed accept: long enough not to waste CPU time, short enough not to be noticed.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Maximum number of connections that wait for room at a time; of further ones, those of the client with most are closed.
pub const MAX_WAITING: usize = 256;
/// Time that a connection which must make room has to finish its calls.
pub(crate) const CLOSING_TIME: Duration = Duration::from_millis(500);

/// Limits of a listener's connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Maximum number of open connections.
    pub open: usize,
    /// Time without a call after which a connection is closed; `None` if it may stay until others wait.
    pub max_idle: Option<Duration>,
    /// Size in bytes of the kernel's buffer for what a client has not read; the kernel could let it grow to megabytes.
    pub send_buffer: u32,
}

/// Bound TCP port or Unix socket.
pub struct Listener {
    socket: Socket,
    permits: Arc<Semaphore>,
    table: Arc<ConnectionTable>,
    /// Connections that wait until another one makes room.
    waiting: Mutex<Vec<(Stream, PeerAddress)>>,
    stats: Arc<ConnectionStats>,
}

impl Listener {
    /// Binds `address`. Connections above the limit wait until an idle one is closed; if all are used, until one ends.
    /// `name` is the listener's name in metrics.
    pub fn bind(name: &'static str, address: &BindAddress, limits: ConnectionLimits) -> io::Result<Self> {
        let socket = Socket::bind(address, limits.send_buffer)?;
        let stats = Arc::new(ConnectionStats::new(name, limits.open));
        let permits = Arc::new(Semaphore::new(limits.open));
        let table = Arc::new(ConnectionTable::new(limits.max_idle));
        Ok(Self { socket, permits, table, waiting: Mutex::default(), stats })
    }

    /// Returns the TCP address, with the actual port if port 0 was requested; `None` for a Unix socket.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.socket.tcp_address()
    }

    /// Returns the path of the Unix socket; `None` for a TCP port.
    #[must_use]
    pub fn unix_path(&self) -> Option<&Path> {
        self.socket.path()
    }

    /// Returns the statistics of the listener's connections.
    #[must_use]
    pub fn stats(&self) -> &Arc<ConnectionStats> {
        &self.stats
    }

    /// Accepts the next connection, which is served on this thread. `None` is never returned while the process runs.
    pub async fn accept(&self) -> Option<(FirstBytesTimeout, HandshakeOutcome, OpenConnection)> {
        let (stream, _, slot) = self.accept_stream().await?;
        let (handshake, open) = (slot.handshake_outcome(), OpenConnection(Arc::clone(slot.connection())));
        Some((FirstBytesTimeout::new(stream, slot), handshake, open))
    }

    /// Accepts the next connection, which is served on another thread.
    pub(crate) async fn accept_detached(&self) -> Option<AcceptedConnection> {
        loop {
            let (stream, peer, slot) = self.accept_stream().await?;
            // A connection that cannot leave this thread's runtime is already closed.
            if let Ok(stream) = stream.detach() {
                return Some(AcceptedConnection { stream, peer, slot, open_count: None });
            }
        }
    }

    /// Returns the next connection for which there is room. It may be dropped at any time.
    async fn accept_stream(&self) -> Option<(Stream, PeerAddress, ConnectionSlot)> {
        loop {
            let waiting = self.waiting().len();
            tokio::select! {
                // A flood of connections must not keep the table from learning which ones are idle.
                biased;
                () = tokio::time::sleep_until(self.table.next_sweep()) => {
                    self.table.sweep();
                    self.make_room();
                }
                permit = Arc::clone(&self.permits).acquire_owned(), if waiting > 0 => {
                    if let Some((stream, peer)) = self.next_waiting() {
                        return Some((stream, peer, self.slot(peer, permit.ok()?)));
                    }
                }
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) if waiting == 0 => match Arc::clone(&self.permits).try_acquire_owned() {
                        Ok(permit) => return Some((stream, peer, self.slot(peer, permit))),
                        Err(_) => self.wait_for_room(stream, peer),
                    },
                    Ok((stream, peer)) => self.wait_for_room(stream, peer),
                    Err(error) => {
                        if !is_client_error(&error) {
                            // A peer can hold the process at its limit of open files, so the target is a bounded one.
                            tracing::warn!(
                                target: "latchkey::peers", %error,
                                "failed to accept a connection; trying again every 50 ms"
                            );
                        }
                        tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    }
                },
            }
        }
    }

    fn slot(&self, peer: PeerAddress, permit: OwnedSemaphorePermit) -> ConnectionSlot {
        ConnectionSlot::occupy(&self.stats, self.table.enter(peer.client()), permit)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Stream, PeerAddress)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_room(&self, stream: Stream, peer: PeerAddress) {
        let mut waiting = self.waiting();
        waiting.push((stream, peer));
        if waiting.len() > MAX_WAITING {
            let held = self.table.held(waiting.iter().map(|(_, peer)| peer.client()));
            let total = |(client, held): &(Client, usize), all: &[(Client, usize)]| {
                held + all.iter().filter(|(other, _)| other == client).count()
            };
            let most = (0..held.len()).max_by_key(|number| total(&held[*number], &held));
            if let Some(number) = most {
                drop(waiting.remove(number));
            }
        }
        drop(waiting);
        self.make_room();
    }

    /// Returns the waiting connection of the client that has the fewest, the longest waiting first.
    fn next_waiting(&self) -> Option<(Stream, PeerAddress)> {
        let mut waiting = self.waiting();
        let held = self.table.held(waiting.iter().map(|(_, peer)| peer.client()));
        let (number, _) = held.iter().enumerate().min_by_key(|(_, (_, held))| *held)?;
        Some(waiting.remove(number))
    }

    fn make_room(&self) {
        let waiting: Vec<_> = self.waiting().iter().map(|(_, peer)| peer.client()).collect();
        if !waiting.is_empty() {
            self.table.make_room(waiting);
        }
    }
}

/// Open connection of a listener, for the server that reads its calls.
#[derive(Clone, Debug)]
pub struct OpenConnection(Arc<Connection>);

impl OpenConnection {
    /// Counts a call, which is open until the returned guard is dropped. A connection has one call at a time.
    #[must_use]
    pub fn call(&self) -> OpenCall {
        self.0.call_begins();
        self.0.set_open_calls(1);
        OpenCall(Arc::clone(&self.0))
    }

    /// Completes when the connection must make room for another one.
    pub async fn closing(&self) {
        self.0.closing().await;
    }

    /// Completes when the connection had to make room, and its time to finish a call is over.
    pub async fn overdue(&self) {
        self.0.closing().await;
        tokio::time::sleep(CLOSING_TIME).await;
    }
}

/// Guard of an open call.
pub struct OpenCall(Arc<Connection>);

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.set_open_calls(0);
    }
}

/// Returns whether an error means that one client closed its connection, and not that this process has a problem.
fn is_client_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
