//! Writes use of keys down: every few seconds what was counted since, in batches, one transaction each; and drops
//! what is older than it is kept for. A ledger that is away costs nobody anything: counting goes on, bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey_config::UsageKeeping;
use latchkey_core::ports::usage::Hour;
use latchkey_core::time::{Clock, Timestamp};
use latchkey_core::trouble::Trouble;
use latchkey_core::usage::Usage;
use latchkey_management::ports::usage::UsageLedger;
use tokio::time::sleep;

/// Between two looks at whether there is more than can wait.
const LOOK: Duration = Duration::from_millis(250);
/// Between two drops of what is old.
const SWEEP: Duration = Duration::from_mins(10);
/// A process that has added nothing for so long has ended.
const SILENT: Duration = Duration::from_hours(24);

/// Writes use down.
pub(crate) struct Recorder {
    pub(crate) usage: Arc<Usage>,
    pub(crate) ledger: Arc<dyn UsageLedger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keeping: UsageKeeping,
    /// How many dropped uses were told of.
    pub(crate) told: AtomicU64,
}

impl Recorder {
    /// Writes until it is dropped.
    pub(crate) async fn run(&self) {
        let begins = self.clock.now().tick;
        let (mut written, mut swept) = (begins, begins);
        let mut failing = false;
        loop {
            sleep(LOOK.min(self.keeping.flush)).await;
            let now = self.clock.now().tick;
            if now.since(written) >= self.keeping.flush || self.usage.pressing() {
                written = now;
                let done = self.flush().await;
                if let (Err(trouble), false) = (&done, failing) {
                    tracing::warn!(
                        ?trouble,
                        "use of keys can't be written; it is counted on, and tried again"
                    );
                }
                failing = done.is_err();
                self.tell_dropped();
            }
            if now.since(swept) >= SWEEP {
                swept = now;
                // What stays is dropped by the next sweep, or by another replica's.
                let _ = self.sweep().await;
            }
        }
    }

    /// Writes everything that was counted until now.
    pub(crate) async fn flush(&self) -> Result<(), Trouble> {
        // Twice: what waited from before, and what was counted since.
        for _ in 0..2 {
            self.usage.collect();
            while let Some(batch) = self.usage.next() {
                let now = self.clock.now().wall;
                self.ledger.add(self.usage.recorder(), &batch, now).await?;
                self.usage.written(batch.number);
            }
        }
        Ok(())
    }

    /// Writes what is left, where that can be done.
    pub(crate) async fn end(&self) {
        if let Err(trouble) = self.flush().await {
            tracing::warn!(?trouble, "use of keys that was counted last could not be written");
        }
    }

    async fn sweep(&self) -> Result<(), Trouble> {
        let now = self.clock.now().wall;
        let ago = |age: Duration| Timestamp(now.0 - i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let (before, silent) = (Hour::of(ago(self.keeping.retention)), ago(SILENT));
        while self.ledger.forget(before, silent).await? > 0 {
            // Others write in between.
            sleep(LOOK / 10).await;
        }
        Ok(())
    }

    fn tell_dropped(&self) {
        let dropped = self.usage.dropped();
        let new = dropped.saturating_sub(self.told.swap(dropped, Ordering::Relaxed));
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
