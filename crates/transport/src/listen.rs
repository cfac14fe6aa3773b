//! Accepting connections so that good clients are served whatever bad ones do: at most so many at once, one
//! that says nothing is let go, and an accept that fails (no more file descriptors) is tried again after a
//! pause instead of at once.

mod arrival;
mod guarded;
mod visits;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub(crate) use arrival::Arrival;
pub use guarded::Guarded;
use visits::Slot;
pub use visits::{Greeting, Visits};

/// After a failed accept. Long enough to burn no processor, short enough that nobody notices.
const PAUSE: Duration = Duration::from_millis(50);

/// A bound port.
pub struct Listener {
    socket: TcpListener,
    slots: Arc<Semaphore>,
    visits: Arc<Visits>,
}

impl Listener {
    /// Binds `address` for what has this name; at most `connections` are open at once, the rest wait in the kernel's queue.
    pub async fn bind(name: &'static str, address: SocketAddr, connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let visits = Arc::new(Visits::new(name, connections));
        Ok(Self { socket, slots: Arc::new(Semaphore::new(connections)), visits })
    }

    /// Where it listens; the port is known where 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Who came.
    #[must_use]
    pub fn visits(&self) -> &Arc<Visits> {
        &self.visits
    }

    /// The next connection, to be served on this thread. `None` never comes while the process lives.
    pub async fn accept(&self) -> Option<(Guarded, Greeting)> {
        let (stream, _, slot) = self.next().await?;
        let greeting = slot.greeting();
        Some((Guarded::new(stream, slot), greeting))
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

    async fn next(&self) -> Option<(TcpStream, SocketAddr, Slot)> {
        let permit = self.slots.clone().acquire_owned().await.ok()?;
        let mut told = false;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, Slot::taken(&self.visits, permit))),
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
