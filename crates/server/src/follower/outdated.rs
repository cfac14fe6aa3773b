//! Objects that lack changes which the change feed has: a person has altered their table, or restored it without the others.
//! What the feed says was taken away is taken away again, at the start of a replica, and when the database returns an object
//! in an older state than one that was applied here.

use std::sync::atomic::Ordering;
use std::time::Duration;

use latchkey_core::cache::AppliedChanges;
use latchkey_core::error::SystemError;
use latchkey_core::ports::Change;
use latchkey_management::ports::recovery::ReapplyTo;
use tokio::time::sleep;

use super::Follower;

/// Number of changes that are read at once.
const LIMIT: u32 = 10_000;
/// Interval at which refused look-ups are noticed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Follower {
    /// Takes away again what the feed says was taken away from objects that lack it.
    pub(super) async fn reapply_outdated(&self) -> Result<(), SystemError> {
        self.reapply_in_pages(LIMIT).await
    }

    /// Does the same with pages of a size. Everything is read before anything is written: a later page may have the change
    /// that gave an object's access back.
    pub(super) async fn reapply_in_pages(&self, size: u32) -> Result<(), SystemError> {
        let changes = self.read_outdated(size).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let outdated = AppliedChanges::of(&changes);
        let mut written_again = 0_u64;
        for taken in outdated.taken_away_after(0) {
            if self.reapply(&taken, ReapplyTo::Outdated).await?.changed {
                written_again += 1;
                self.counts.reapplied.fetch_add(1, Ordering::Relaxed);
            }
        }
        tracing::error!(
            objects = outdated.len(),
            written_again,
            "the database has older states of some keys, tenants, users or tokens than the change feed says: their table was \
             altered, or restored alone. What was taken away from them is taken away again; what else was changed is missing: \
             restore the whole database from one backup, or change them again"
        );
        Ok(())
    }

    /// Returns all changes that objects lack, in the order of their revisions.
    async fn read_outdated(&self, size: u32) -> Result<Vec<Change>, SystemError> {
        let mut changes: Vec<Change> = Vec::new();
        loop {
            let after = changes.last().map_or(0, |change| change.revision);
            let page = self.parts.recovery.outdated(after, size).await?;
            let is_last = page.len() < size as usize;
            changes.extend(page);
            if is_last {
                return Ok(changes);
            }
        }
    }

    /// Reacts to refused look-ups, until the future is dropped. Runs beside the polls, which extend the lease meanwhile.
    pub(crate) async fn watch_outdated(&self) {
        loop {
            sleep(CHECK_INTERVAL).await;
            // A poll that fails may be of a database that lacks commits.
            if !self.failing.load(Ordering::SeqCst) {
                self.check_outdated().await;
            }
        }
    }

    /// Reacts to look-ups that were refused since the database returned an older state than one that was applied here: logs
    /// it, and takes away again what the objects lack; once a minute. Until that succeeds, the look-ups stay counted.
    pub(super) async fn check_outdated(&self) {
        let changes = self.parts.cache.applied_changes();
        let number = changes.refused();
        if number == 0 || !self.counts.logged[1].is_due(self.parts.clock.monotonic()) {
            return;
        }
        tracing::warn!(
            number,
            "look-ups were refused: the database returned older states of keys, tenants or users than this replica has applied"
        );
        match self.reapply_outdated().await {
            Ok(()) => changes.forget_refused(number),
            Err(error) => {
                tracing::warn!(
                    error = %error.log_text(),
                    "failed to compare the change feed with the objects; it is tried again in a minute"
                );
            }
        }
    }
}
