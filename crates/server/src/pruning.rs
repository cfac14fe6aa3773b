//! Pruning of the change feed and of the audit events of tokens. Every replica prunes at random intervals; rows that one
//! replica has deleted are no work for the next.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::time::{Clock, Timestamp};
use latchkey_store::Store;
use rand::RngExt as _;
use tokio::time::sleep;

use crate::random::Randomness;

/// Number of changes that are kept in any case, about ten megabytes. A replica that was away while more were written
/// clears its cache when it is back.
const KEPT_CHANGES: u64 = 100_000;
/// Mean time between two runs.
const MEAN_INTERVAL: Duration = Duration::from_mins(10);

/// Periodically deletes old changes, and the content of old audit events of tokens.
pub(crate) struct Pruner {
    pub(crate) store: Arc<Store>,
    pub(crate) random: Randomness,
    pub(crate) clock: Arc<dyn Clock>,
    /// Time for which the content of audit events of tokens is kept.
    pub(crate) token_retention: Duration,
}

impl Pruner {
    /// Prunes until the future is dropped.
    pub(crate) async fn run(&self) {
        // Position in the audit log up to which there is nothing to prune.
        let mut pruned_until = 0;
        let pause = MEAN_INTERVAL.min(self.token_retention);
        loop {
            sleep(pause.mul_f64(self.random.generator().random_range(0.5..1.5))).await;
            report("change-feed rows", self.store.prune_feed(KEPT_CHANGES).await);
            report("audit events of tokens", self.prune_token_events(&mut pruned_until).await);
        }
    }

    async fn prune_token_events(&self, pruned_until: &mut u64) -> Result<u64, SystemError> {
        let kept = i64::try_from(self.token_retention.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp(self.clock.now().wall.0.saturating_sub(kept));
        let mut pruned = 0;
        loop {
            let step = self.store.prune_token_events(*pruned_until, before).await?;
            pruned += step.pruned;
            *pruned_until = step.until;
            if step.is_last {
                return Ok(pruned);
            }
        }
    }
}

fn report(what: &str, result: Result<u64, SystemError>) {
    match result {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "pruned old {what}"),
        Err(error) => {
            tracing::warn!(error = %error.log_text(), "failed to prune {what}; it is tried again later");
        }
    }
}
