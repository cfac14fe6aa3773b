//! Writes use of keys down: every few seconds what was counted since, in batches, one transaction each; and drops
//! what is older than it is kept for. A ledger that is away costs nobody anything: counting goes on, bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey_config::UsageSettings;
use latchkey_core::error::SystemError;
use latchkey_core::ports::usage::Hour;
use latchkey_core::time::{Clock, Timestamp};
use latchkey_core::usage::UsageTracker;
use latchkey_management::ports::usage::UsageStore;
use tokio::time::sleep;

/// Between two looks at whether there is more than can wait.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Between two drops of what is old.
const PRUNE_INTERVAL: Duration = Duration::from_mins(10);
/// A process that has added nothing for so long has ended.
const RECORDER_EXPIRY: Duration = Duration::from_hours(24);

/// Writes use down.
pub(crate) struct UsageFlusher {
    pub(crate) usage: Arc<UsageTracker>,
    pub(crate) ledger: Arc<dyn UsageStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: UsageSettings,
    /// How many dropped uses were told of.
    pub(crate) reported_drops: AtomicU64,
}

impl UsageFlusher {
    /// Writes until it is dropped.
    pub(crate) async fn run(&self) {
        let start = self.clock.now().monotonic;
        let (mut written, mut pruned) = (start, start);
        let mut failing = false;
        loop {
            sleep(CHECK_INTERVAL.min(self.settings.flush_interval)).await;
            let now = self.clock.now().monotonic;
            if now.since(written) >= self.settings.flush_interval || self.usage.nearly_full() {
                written = now;
                let done = self.flush().await;
                if let (Err(trouble), false) = (&done, failing) {
                    tracing::warn!(
                        error = ?trouble,
                        "use of keys can't be written; it is counted on, and tried again"
                    );
                }
                failing = done.is_err();
                self.report_dropped();
            }
            if now.since(pruned) >= PRUNE_INTERVAL {
                pruned = now;
                // What stays is dropped by the next sweep, or by another replica's.
                let _ = self.prune().await;
            }
        }
    }

    /// Writes everything that was counted until now.
    pub(crate) async fn flush(&self) -> Result<(), SystemError> {
        // Twice: what waited from before, and what was counted since.
        for _ in 0..2 {
            self.usage.collect();
            while let Some(batch) = self.usage.next_batch() {
                let now = self.clock.now().wall;
                self.ledger.add(self.usage.recorder(), &batch, now).await?;
                self.usage.mark_written(batch.number);
            }
        }
        Ok(())
    }

    /// Writes what is left, where that can be done.
    pub(crate) async fn flush_at_shutdown(&self) {
        if let Err(trouble) = self.flush().await {
            tracing::warn!(error = ?trouble, "use of keys that was counted last could not be written");
        }
    }

    async fn prune(&self) -> Result<(), SystemError> {
        let now = self.clock.now().wall;
        let ago = |age: Duration| Timestamp(now.0 - i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let (before, silent) = (Hour::of(ago(self.settings.retention)), ago(RECORDER_EXPIRY));
        while self.ledger.prune(before, silent).await? > 0 {
            // Others write in between.
            sleep(CHECK_INTERVAL / 10).await;
        }
        Ok(())
    }

    fn report_dropped(&self) {
        let dropped = self.usage.dropped();
        let new = dropped.saturating_sub(self.reported_drops.swap(dropped, Ordering::Relaxed));
        if new > 0 {
            tracing::warn!(
                dropped = new,
                "more keys were used than can be counted at once: uses were dropped"
            );
        }
    }
}

#[cfg(test)]
mod tests;
