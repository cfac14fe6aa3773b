//! An open connection with the limits of its use: its age, the time for which it is idle, and its generation. A
//! connection that is replaced now and then follows a change of the server's address, and frees the memory that
//! the server keeps for it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::raw_connection::RawConnection;

/// Age at which a connection is closed; each connection's own is up to a tenth shorter or longer, so that those
/// that were opened together are not closed together.
const MAX_LIFETIME: Duration = Duration::from_mins(10);
/// Time after which an unused connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// An open connection of the pool.
pub(super) struct PoolEntry {
    pub(super) raw: RawConnection,
    generation: u64,
    expires: Instant,
    idle_since: Instant,
    _counted: CountedConnection,
}

/// Number of open connections, which includes this one as long as it exists.
struct CountedConnection(Arc<AtomicUsize>);

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl PoolEntry {
    /// Makes an entry, which is counted in `open` as long as it exists.
    pub(super) fn new(raw: RawConnection, generation: u64, open: Arc<AtomicUsize>, now: Instant) -> Self {
        let random = RandomState::new().hash_one(generation);
        open.fetch_add(1, Ordering::SeqCst);
        Self {
            raw,
            generation,
            expires: now + lifetime(random),
            idle_since: now,
            _counted: CountedConnection(open),
        }
    }

    /// Closes the connection in good order.
    pub(super) async fn close(self) {
        // The reason for closing it is known; how that goes is not of interest.
        let _ = self.raw.close().await;
    }

    /// Records that the connection is unused from now on.
    pub(super) fn mark_idle(&mut self, now: Instant) {
        self.idle_since = now;
    }

    /// Returns whether the connection may be used in this generation of the pool.
    pub(super) fn is_usable(&self, generation: u64, now: Instant) -> bool {
        self.generation == generation
            && now < self.expires
            && now.saturating_duration_since(self.idle_since) < IDLE_TIMEOUT
    }
}

/// Returns a lifetime between nine and eleven tenths of [`MAX_LIFETIME`].
fn lifetime(random: u64) -> Duration {
    let step = MAX_LIFETIME / 1_000;
    step * (900 + u32::try_from(random % 201).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_differ_by_a_tenth_at_most() {
        let lifetimes: Vec<_> =
            (0..1_000).map(|n| lifetime(RandomState::new().hash_one(n)).as_secs()).collect();
        assert!(lifetimes.iter().all(|seconds| (540..=660).contains(seconds)));
        assert!(lifetimes.iter().any(|seconds| *seconds < 570) && lifetimes.iter().any(|s| *s > 630));
        assert_eq!((lifetime(0), lifetime(200)), (Duration::from_secs(540), Duration::from_secs(660)));
    }
}
