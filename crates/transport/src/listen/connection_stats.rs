//! Statistics of a listener's connections. A connection is counted by guards, which undo the count when they are dropped,
//! so that the count is right however the connection ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::OwnedSemaphorePermit;

use super::{Connection, TablePlace};

/// Statistics of a listener's connections.
#[derive(Debug)]
pub struct ConnectionStats {
    /// Name of the listener.
    pub name: &'static str,
    /// Maximum number of open connections.
    pub limit: usize,
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl ConnectionStats {
    pub(super) fn new(name: &'static str, limit: usize) -> Self {
        Self {
            name,
            limit,
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Returns the number of open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Returns the numbers of connections whose handshake succeeded and failed.
    #[must_use]
    pub fn outcomes(&self) -> [u64; 2] {
        [&self.accepted, &self.refused].map(|count| count.load(Relaxed))
    }
}

/// Slot that an open connection occupies until it is dropped.
pub(crate) struct ConnectionSlot {
    stats: Arc<ConnectionStats>,
    /// Dropped before the permit, so that the table never has more connections than there are permits.
    place: TablePlace,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionSlot {
    pub(super) fn occupy(
        stats: &Arc<ConnectionStats>,
        place: TablePlace,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        stats.open.fetch_add(1, Relaxed);
        Self { stats: Arc::clone(stats), place, _permit: permit }
    }

    /// Returns the connection's row in the table.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        self.place.connection()
    }

    pub(super) fn handshake_outcome(&self) -> HandshakeOutcome {
        HandshakeOutcome { stats: Arc::clone(&self.stats), success: false }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.stats.open.fetch_sub(1, Relaxed);
    }
}

/// Outcome of a connection's handshake. If it is dropped without [`HandshakeOutcome::accepted`], the handshake counts as
/// failed.
#[must_use]
pub struct HandshakeOutcome {
    stats: Arc<ConnectionStats>,
    success: bool,
}

impl HandshakeOutcome {
    /// Counts the handshake as successful. Without TLS, it succeeds at once.
    pub fn accepted(mut self) {
        self.success = true;
    }
}

impl Drop for HandshakeOutcome {
    fn drop(&mut self) {
        let count = if self.success { &self.stats.accepted } else { &self.stats.refused };
        count.fetch_add(1, Relaxed);
    }
}
