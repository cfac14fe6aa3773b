//! A connection on its way to the thread that serves it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Greeting, Guarded, Slot};

/// An accepted connection that no runtime has yet.
pub(crate) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) slot: Slot,
    pub(super) counted: Option<Counted>,
}

/// One connection of a thread, for as long as it is open.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Arrival {
    /// Counts among a thread's connections, until it is closed.
    pub(crate) fn counted(self, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { counted: Some(Counted(Arc::clone(open))), ..self }
    }

    /// Who is connected.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Begins to serve it, on the runtime of this thread.
    pub(crate) fn open(self) -> io::Result<(Guarded, Greeting, Option<Counted>)> {
        let greeting = self.slot.greeting();
        let stream = tokio::net::TcpStream::from_std(self.stream)?;
        Ok((Guarded::new(stream, self.slot), greeting, self.counted))
    }
}
