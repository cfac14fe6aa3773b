//! Objects that lack changes which the change feed has: a person has altered their table, or restored it without the others.
//! What the feed says was taken away is taken away again, at the start of a replica, and when the database returns an object
//! in an older state than one that was applied here.

use latchkey_core::cache::AppliedChanges;
use latchkey_core::error::SystemError;
use latchkey_core::ports::Change;

use super::Follower;

/// Number of changes that are read at once.
const LIMIT: u32 = 10_000;

impl Follower {
    /// Takes away again what the feed says was taken away from objects that lack it.
    pub(super) async fn reapply_outdated(&self) -> Result<(), SystemError> {
        let mut first = 0;
        loop {
            let changes = self.parts.recovery.outdated(LIMIT).await?;
            let Some(oldest) = changes.first().map(|change| change.revision) else { return Ok(()) };
            self.reapply_all(&changes).await?;
            // An object whose access was given back later, or that has none, stays as it is.
            if changes.len() < LIMIT as usize || oldest == first {
                return Ok(());
            }
            first = oldest;
        }
    }

    async fn reapply_all(&self, changes: &[Change]) -> Result<(), SystemError> {
        let outdated = AppliedChanges::of(changes);
        let mut written_again = 0_u64;
        for taken in outdated.taken_away_after(0) {
            written_again += u64::from(self.reapply(&taken).await?.changed);
        }
        self.counts.reapplied.fetch_add(written_again, std::sync::atomic::Ordering::Relaxed);
        tracing::error!(
            objects = outdated.len(),
            written_again,
            "the database has older states of some keys, tenants, users or tokens than the change feed says: their table was \
             altered, or restored alone. What was taken away from them is taken away again; what else was changed is missing: \
             restore the whole database from one backup, or change them again"
        );
        Ok(())
    }

    /// Reacts to look-ups that were refused since the database returned an older state than one that was applied here: logs
    /// it, and takes away again what the objects lack; once a minute.
    pub(super) async fn check_outdated(&self) {
        let number = self.parts.cache.applied_changes().take_outdated();
        if number == 0 || !self.counts.logged[1].is_due(self.parts.clock.monotonic()) {
            return;
        }
        tracing::warn!(
            number,
            "look-ups were refused: the database returned older states of keys, tenants or users than this replica has applied"
        );
        if let Err(error) = self.reapply_outdated().await {
            tracing::warn!(?error, "failed to compare the change feed with the objects; it is tried again");
        }
    }
}
