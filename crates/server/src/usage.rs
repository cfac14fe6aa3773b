//! Storing of key usage: every few seconds the new counts are written in batches, one transaction each, and hours
//! beyond the retention are deleted. If the database is unavailable, counting continues, with bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey_config::UsageSettings;
use latchkey_core::error::SystemError;
use latchkey_core::ports::usage::{Hour, Minute};
use latchkey_core::time::{Clock, Timestamp};
use latchkey_core::usage::UsageTracker;
use latchkey_management::ports::usage::UsageStore;
use tokio::time::sleep;

/// Interval at which the amount of unwritten usage is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Interval at which old usage is deleted.
const PRUNE_INTERVAL: Duration = Duration::from_mins(10);
/// Longest interval of writes at which calls are also counted by the minute.
const LONGEST_OF_MINUTES: Duration = Duration::from_mins(1);
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
    /// Writes, and deletes old rows, until the future is dropped. Neither waits for the other: the deletion of millions of
    /// rows takes minutes, and calls that wait for longer than a minute belong to none.
    pub(crate) async fn run(&self) {
        tokio::join!(self.write_regularly(), self.prune_regularly());
    }

    async fn write_regularly(&self) {
        let mut written = self.clock.now().monotonic;
        let mut failing = false;
        let by_minute = self.settings.flush_interval <= LONGEST_OF_MINUTES;
        let mut minute = Minute::of(self.clock.now().wall);
        loop {
            sleep(CHECK_INTERVAL.min(self.settings.flush_interval)).await;
            let at = self.clock.now();
            let now = at.monotonic;
            let ended = by_minute && minute != Minute::of(at.wall);
            if ended || now.since(written) >= self.settings.flush_interval || self.usage.nearly_full() {
                (written, minute) = (now, Minute::of(at.wall));
                let done = self.flush().await;
                if let (Err(error), false) = (&done, failing) {
                    tracing::warn!(
                        error = %error.log_text(),
                        "failed to store key usage; counts are kept and the write is retried"
                    );
                }
                failing = done.is_err();
                self.report_dropped();
            }
        }
    }

    async fn prune_regularly(&self) {
        loop {
            sleep(PRUNE_INTERVAL).await;
            // Remaining rows are deleted by the next run, or by another replica.
            if let Err(error) = self.prune().await {
                tracing::warn!(error = %error.log_text(), "failed to delete old key usage; it is tried again later");
            }
        }
    }

    /// Writes everything that was counted until now.
    pub(crate) async fn flush(&self) -> Result<(), SystemError> {
        // Twice: batches that were waiting, and counts that were added since.
        for _ in 0..2 {
            let now = self.clock.now().wall;
            self.usage.collect(now);
            while let Some(batch) = self.usage.next_batch() {
                self.store.add(self.usage.recorder(), &batch, now).await?;
                self.usage.mark_written(batch.number);
            }
        }
        Ok(())
    }

    /// Writes the remaining counts at shutdown, if that is possible.
    pub(crate) async fn flush_at_shutdown(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(error = %error.log_text(), "failed to store the last key usage before shutdown; it is lost");
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
        let oldest = Minute(Minute::of(now).0 - i64::from(Minute::KEPT));
        while self.store.prune_minutes(oldest).await? > 0 {
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
