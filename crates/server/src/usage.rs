//! Storing of key usage: every few seconds the new counts are written in batches, one transaction each, and hours
//! beyond the retention are deleted. If the database is unavailable, counting continues, with bounded memory.

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

/// Interval at which the amount of unwritten usage is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Interval at which old usage is deleted.
const PRUNE_INTERVAL: Duration = Duration::from_mins(10);
/// Time without writes after which a recorder's process is assumed to have ended.
const RECORDER_EXPIRY: Duration = Duration::from_hours(24);

/// Writes key usage to the store.
pub(crate) struct UsageFlusher {
    pub(crate) usage: Arc<UsageTracker>,
    pub(crate) store: Arc<dyn UsageStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: UsageSettings,
    /// Number of dropped uses that were already logged.
    pub(crate) reported_drops: AtomicU64,
}

impl UsageFlusher {
    /// Writes until the future is dropped.
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
                if let (Err(error), false) = (&done, failing) {
                    tracing::warn!(
                        ?error,
                        "failed to store key usage; counts are kept and the write is retried"
                    );
                }
                failing = done.is_err();
                self.report_dropped();
            }
            if now.since(pruned) >= PRUNE_INTERVAL {
                pruned = now;
                // Remaining rows are deleted by the next run, or by another replica.
                let _ = self.prune().await;
            }
        }
    }

    /// Writes everything that was counted until now.
    pub(crate) async fn flush(&self) -> Result<(), SystemError> {
        // Twice: batches that were waiting, and counts that were added since.
        for _ in 0..2 {
            self.usage.collect();
            while let Some(batch) = self.usage.next_batch() {
                let now = self.clock.now().wall;
                self.store.add(self.usage.recorder(), &batch, now).await?;
                self.usage.mark_written(batch.number);
            }
        }
        Ok(())
    }

    /// Writes the remaining counts at shutdown, if that is possible.
    pub(crate) async fn flush_at_shutdown(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(?error, "failed to store the last key usage before shutdown; it is lost");
        }
    }

    async fn prune(&self) -> Result<(), SystemError> {
        let now = self.clock.now().wall;
        let ago = |age: Duration| Timestamp(now.0 - i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let (before, silent) = (Hour::of(ago(self.settings.retention)), ago(RECORDER_EXPIRY));
        while self.store.prune(before, silent).await? > 0 {
            // Other writers get a turn.
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
                "more keys were used than can be counted at once; some uses are not counted"
            );
        }
    }
}

#[cfg(test)]
mod tests;
