//! Who comes to a port: how many are connected, and how many were let in. What is counted when a connection begins is
//! taken back when what it holds is dropped, so that no way of ending is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::OwnedSemaphorePermit;

/// A port's visitors.
#[derive(Debug)]
pub struct ConnectionStats {
    /// The port's name.
    pub name: &'static str,
    /// How many may be connected.
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

    /// How many are connected.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How many were let in, and how many weren't.
    #[must_use]
    pub fn outcomes(&self) -> [u64; 2] {
        [&self.accepted, &self.refused].map(|count| count.load(Relaxed))
    }
}

/// A connection's right to be there, until it is closed.
pub(crate) struct ConnectionSlot {
    stats: Arc<ConnectionStats>,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionSlot {
    pub(super) fn occupy(stats: &Arc<ConnectionStats>, permit: OwnedSemaphorePermit) -> Self {
        stats.open.fetch_add(1, Relaxed);
        Self { stats: Arc::clone(stats), _permit: permit }
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

/// Whether a connection is let in: at once, or when it has shaken hands. One that never is counts as refused.
#[must_use]
pub struct HandshakeOutcome {
    stats: Arc<ConnectionStats>,
    success: bool,
}

impl HandshakeOutcome {
    /// It is.
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
