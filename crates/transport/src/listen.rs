//! Listeners that keep serving good clients whatever bad clients do: the number of connections is limited, a silent
//! connection is closed, and a failed accept (no more file descriptors) is retried after a pause.

mod accepted;
mod connection_stats;
mod first_bytes_timeout;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub(crate) use accepted::AcceptedConnection;
use connection_stats::ConnectionSlot;
pub use connection_stats::{ConnectionStats, HandshakeOutcome};
pub use first_bytes_timeout::FirstBytesTimeout;

/// Pause after a failed accept: long enough not to waste CPU time, short enough not to be noticed.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Bound TCP port.
pub struct Listener {
    socket: TcpListener,
    permits: Arc<Semaphore>,
    stats: Arc<ConnectionStats>,
}

impl Listener {
    /// Binds `address`. At most `connections` are open at the same time; further ones wait in the kernel's queue. `name` is
    /// the listener's name in metrics.
    pub async fn bind(name: &'static str, address: SocketAddr, connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let stats = Arc::new(ConnectionStats::new(name, connections));
        Ok(Self { socket, permits: Arc::new(Semaphore::new(connections)), stats })
    }

    /// Returns the bound address, with the actual port if port 0 was requested.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the statistics of the listener's connections.
    #[must_use]
    pub fn stats(&self) -> &Arc<ConnectionStats> {
        &self.stats
    }

    /// Accepts the next connection, which is served on this thread. `None` is never returned while the process runs.
    pub async fn accept(&self) -> Option<(FirstBytesTimeout, HandshakeOutcome)> {
        let (stream, _, slot) = self.accept_tcp().await?;
        let handshake = slot.handshake_outcome();
        Some((FirstBytesTimeout::new(stream, slot), handshake))
    }

    /// Accepts the next connection, which is served on another thread.
    pub(crate) async fn accept_detached(&self) -> Option<AcceptedConnection> {
        loop {
            let (stream, peer, slot) = self.accept_tcp().await?;
            // A connection that cannot leave this thread's runtime is already closed.
            if let Ok(stream) = stream.into_std() {
                return Some(AcceptedConnection { stream, peer, slot, open_count: None });
            }
        }
    }

    async fn accept_tcp(&self) -> Option<(TcpStream, SocketAddr, ConnectionSlot)> {
        let permit = self.permits.clone().acquire_owned().await.ok()?;
        let mut logged = false;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    return Some((stream, peer, ConnectionSlot::occupy(&self.stats, permit)));
                }
                Err(error) => {
                    if !logged && !is_client_error(&error) {
                        tracing::warn!(%error, "failed to accept a connection; trying again every 50 ms");
                        logged = true;
                    }
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }
}

/// Returns whether an error means that one client closed its connection, and not that this process has a problem.
fn is_client_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
