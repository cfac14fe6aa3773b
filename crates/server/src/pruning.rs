//! Pruning of the change feed. Every replica prunes at random intervals; rows that one replica has deleted are no
//! work for the next.

use std::sync::Arc;
use std::time::Duration;

use latchkey_store::Store;
use rand::RngExt as _;
use tokio::time::sleep;

use crate::random::Randomness;

/// Number of changes that are kept in any case, about ten megabytes. A replica that was away while more were written
/// clears its cache when it is back.
const KEPT_CHANGES: u64 = 100_000;
/// Mean time between two runs.
const MEAN_INTERVAL: Duration = Duration::from_mins(10);

/// Periodically deletes old changes.
pub(crate) struct FeedPruner {
    pub(crate) store: Arc<Store>,
    pub(crate) random: Randomness,
}

impl FeedPruner {
    /// Prunes until the future is dropped.
    pub(crate) async fn run(&self) {
        loop {
            sleep(MEAN_INTERVAL.mul_f64(self.random.generator().random_range(0.5..1.5))).await;
            match self.store.prune_feed(KEPT_CHANGES).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "pruned old change-feed rows"),
                Err(error) => {
                    tracing::debug!(?error, "failed to prune the change feed; it is tried again later");
                }
            }
        }
    }
}
