//! An accepted connection that is passed to the worker that serves it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::socket::DetachedStream;
use super::{Connection, ConnectionSlot, FirstBytesTimeout, HandshakeOutcome, PeerAddress};

/// Accepted connection that is not registered with a runtime yet.
pub(crate) struct AcceptedConnection {
    pub(super) stream: DetachedStream,
    pub(super) peer: PeerAddress,
    pub(super) slot: ConnectionSlot,
    pub(super) open_count: Option<OpenCountGuard>,
}

/// Guard that counts a worker's connection until it is dropped.
pub(crate) struct OpenCountGuard(Arc<AtomicUsize>);

impl Drop for OpenCountGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AcceptedConnection {
    /// Counts the connection as one of a worker's, until it is closed.
    pub(crate) fn count_open(self, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { open_count: Some(OpenCountGuard(Arc::clone(open))), ..self }
    }

    /// Returns the client's address.
    pub(crate) fn peer(&self) -> PeerAddress {
        self.peer
    }

    /// Returns the connection as the listener knows it.
    pub(crate) fn connection(&self) -> Arc<Connection> {
        Arc::clone(self.slot.connection())
    }

    /// Registers the connection with the runtime of this thread.
    pub(crate) fn into_stream(
        self,
    ) -> io::Result<(FirstBytesTimeout, HandshakeOutcome, Option<OpenCountGuard>)> {
        let handshake = self.slot.handshake_outcome();
        let stream = self.stream.attach()?;
        Ok((FirstBytesTimeout::new(stream, self.slot), handshake, self.open_count))
    }
}
