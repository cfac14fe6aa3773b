//! Keeps the change feed from growing for ever. Every replica does it now and then, at a time of its own; what one
//! has taken away is no work for the next.

use std::sync::Arc;
use std::time::Duration;

use latchkey_store::Store;
use rand::RngExt as _;
use tokio::time::sleep;

use crate::random::Randomness;

/// Changes that are kept, needed or not: some ten megabytes. A replica that was cut off while more were written
/// reads everything anew when it is back.
const KEPT_CHANGES: u64 = 100_000;
/// Between two looks, on average.
const MEAN_INTERVAL: Duration = Duration::from_mins(10);

/// What pruning needs.
pub(crate) struct FeedPruner {
    pub(crate) store: Arc<Store>,
    pub(crate) random: Randomness,
}

impl FeedPruner {
    /// Prunes until it is dropped.
    pub(crate) async fn run(&self) {
        loop {
            sleep(MEAN_INTERVAL.mul_f64(self.random.generator().random_range(0.5..1.5))).await;
            match self.store.prune_feed(KEPT_CHANGES).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "the change feed's end was taken away"),
                Err(trouble) => tracing::debug!(error = ?trouble, "the change feed was not pruned"),
            }
        }
    }
}
