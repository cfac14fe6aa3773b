//! Accepting connections so that good clients are served whatever bad ones do: at most so many at once, one
//! that says nothing is let go, and an accept that fails (no more file descriptors) is tried again after a
//! pause instead of at once.

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

/// After a failed accept. Long enough to burn no processor, short enough that nobody notices.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A bound port.
pub struct Listener {
    socket: TcpListener,
    permits: Arc<Semaphore>,
    stats: Arc<ConnectionStats>,
}

impl Listener {
    /// Binds `address` for what has this name; at most `connections` are open at once, the rest wait in the kernel's queue.
    pub async fn bind(name: &'static str, address: SocketAddr, connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let stats = Arc::new(ConnectionStats::new(name, connections));
        Ok(Self { socket, permits: Arc::new(Semaphore::new(connections)), stats })
    }

    /// Where it listens; the port is known where 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Who came.
    #[must_use]
    pub fn stats(&self) -> &Arc<ConnectionStats> {
        &self.stats
    }

    /// The next connection, to be served on this thread. `None` never comes while the process lives.
    pub async fn accept(&self) -> Option<(FirstBytesTimeout, HandshakeOutcome)> {
        let (stream, _, slot) = self.accept_tcp().await?;
        let handshake = slot.handshake_outcome();
        Some((FirstBytesTimeout::new(stream, slot), handshake))
    }

    /// The next connection, to be served on another thread.
    pub(crate) async fn accept_detached(&self) -> Option<AcceptedConnection> {
        loop {
            let (stream, peer, slot) = self.accept_tcp().await?;
            // One that can't leave this thread's runtime is closed already.
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
                        tracing::warn!(%error, "connections can't be accepted; trying again");
                        logged = true;
                    }
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }
}

/// Errors that tell of one client that went away, and not of us.
fn is_client_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
