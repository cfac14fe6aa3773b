//! Who comes to a port: how many are connected, and how many were let in. What is counted when a connection begins is
//! taken back when what it holds is dropped, so that no way of ending is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::OwnedSemaphorePermit;

/// A port's visitors.
#[derive(Debug)]
pub struct Visits {
    /// The port's name.
    pub name: &'static str,
    /// How many may be connected.
    pub most: usize,
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Visits {
    pub(super) fn new(name: &'static str, most: usize) -> Self {
        Self {
            name,
            most,
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
    pub fn came(&self) -> [u64; 2] {
        [&self.accepted, &self.refused].map(|count| count.load(Relaxed))
    }
}

/// A connection's right to be there, until it is closed.
pub(crate) struct Slot {
    visits: Arc<Visits>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(super) fn taken(visits: &Arc<Visits>, permit: OwnedSemaphorePermit) -> Self {
        visits.open.fetch_add(1, Relaxed);
        Self { visits: Arc::clone(visits), _permit: permit }
    }

    pub(super) fn greeting(&self) -> Greeting {
        Greeting { visits: Arc::clone(&self.visits), admitted: false }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.visits.open.fetch_sub(1, Relaxed);
    }
}

/// Whether a connection is let in: at once, or when it has shaken hands. One that never is counts as refused.
#[must_use]
pub struct Greeting {
    visits: Arc<Visits>,
    admitted: bool,
}

impl Greeting {
    /// It is.
    pub fn admit(mut self) {
        self.admitted = true;
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let count = if self.admitted { &self.visits.accepted } else { &self.visits.refused };
        count.fetch_add(1, Relaxed);
    }
}
