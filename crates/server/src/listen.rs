//! Accepting connections so that good clients are served whatever bad ones do: at most so many at once, one
//! that says nothing is let go, and an accept that fails (no more file descriptors) is tried again after a
//! pause instead of at once.

mod arrival;
mod guarded;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use arrival::Arrival;
pub(crate) use guarded::Guarded;

/// After a failed accept. Long enough to burn no processor, short enough that nobody notices.
const PAUSE: Duration = Duration::from_millis(50);

/// A bound port.
pub(crate) struct Listener {
    socket: TcpListener,
    slots: Arc<Semaphore>,
}

impl Listener {
    /// Binds `address`; at most `connections` are open at once, the rest wait in the kernel's queue.
    pub(crate) async fn bind(address: SocketAddr, connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, slots: Arc::new(Semaphore::new(connections)) })
    }

    /// Where it listens; the port is known where 0 was asked for.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection, to be served on this thread. `None` never comes while the process lives.
    pub(crate) async fn accept(&self) -> Option<Guarded> {
        let (stream, _, slot) = self.next().await?;
        Some(Guarded::new(stream, slot))
    }

    /// The next connection, to be served on another thread.
    pub(crate) async fn arrival(&self) -> Option<Arrival> {
        loop {
            let (stream, peer, slot) = self.next().await?;
            // One that can't leave this thread's runtime is closed already.
            if let Ok(stream) = stream.into_std() {
                return Some(Arrival { stream, peer, slot, counted: None });
            }
        }
    }

    async fn next(&self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let slot = self.slots.clone().acquire_owned().await.ok()?;
        let mut told = false;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, slot)),
                Err(error) => {
                    if !told && !one_clients_own(&error) {
                        tracing::warn!(%error, "connections can't be accepted; trying again");
                        told = true;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Errors that tell of one client that went away, and not of us.
fn one_clients_own(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
