//! Application of changes to the cache, and reloads of profiles and signing keys, which the cache does not load by
//! itself.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use latchkey_core::cache::ReadStates;
use latchkey_core::error::SystemError;
use latchkey_core::imported_hash::HashSecret;
use latchkey_core::ports::{Change, ChangeSubject, HistoryHash, ReadAt};
use latchkey_core::record::ProfileSecretRecord;
use latchkey_profile::Profile;

use super::{Follower, PAGE_SIZE};

/// Largest revision that a database can store.
const NEWEST: u64 = i64::MAX as u64;

impl Follower {
    /// Applies a first page of changes, and reads the pages that follow. The cache was filled from the states `looked_up`.
    pub(super) async fn apply_all(
        &self,
        mut page: Vec<Change>,
        looked_up: &ReadStates,
    ) -> Result<(), SystemError> {
        loop {
            self.apply(&page).await?;
            if page.len() <= PAGE_SIZE as usize {
                return Ok(());
            }
            let applied = self.applied_revision();
            page = self.parts.feed.changes(applied, PAGE_SIZE + 1).await?;
            if self.has_diverged(applied, looked_up, &page) {
                return Err(SystemError::database());
            }
        }
    }

    /// Applies changes that are new. Profiles and signing keys are in force before the revision of their change counts
    /// as applied.
    async fn apply(&self, page: &[Change]) -> Result<(), SystemError> {
        let applied = self.applied_revision();
        let new = &page[page.partition_point(|change| change.revision <= applied)..];
        let Some(last) = new.last() else { return Ok(()) };
        // From here on, look-ups at this revision read no history. If this poll fails, the next one compares it.
        let read_at = ReadAt { revision: last.revision, history: last.history, ..ReadAt::default() };
        self.parts.cache.reads().record(read_at);
        self.parts.feed.require_revision(last.revision);
        let profiles = new.iter().any(|change| matches!(change.subject, ChangeSubject::Profile(_)));
        if profiles {
            self.reload_profiles().await?;
        }
        let signing_keys = new.iter().any(|change| matches!(change.subject, ChangeSubject::SigningKeys(_)));
        if signing_keys {
            self.parts.signing.reload(last.revision).await?;
        }
        if (profiles || signing_keys)
            && let Some(newest) = self.newest_state().await?
        {
            self.parts.cache.reads().record(newest);
        }
        for change in new {
            self.parts.cache.apply(change);
        }
        self.mark_applied(last.revision);
        Ok(())
    }

    /// Reads the newest state of the database. Whatever was reloaded before is of this state or an earlier one, so the loss of
    /// what was reloaded is noticed if this state is compared. Returns `None` if it has no history.
    async fn newest_state(&self) -> Result<Option<ReadAt>, SystemError> {
        let newest = self.parts.feed.history(NEWEST, 1).await?;
        let state = |(revision, history): &(u64, HistoryHash)| ReadAt {
            revision: *revision,
            history: Some(*history),
            ..ReadAt::default()
        };
        Ok(newest.first().map(state))
    }

    pub(super) fn mark_applied(&self, revision: u64) {
        self.parts.cache.set_applied(revision);
        self.parts.feed.require_revision(revision);
        self.applied.send_replace(revision);
    }

    /// Returns whether the first change is not the one that was applied here under this revision, or a change is not the one
    /// that a look-up has read.
    pub(super) fn has_diverged(&self, applied: u64, looked_up: &ReadStates, page: &[Change]) -> bool {
        let theirs = |revision: u64| {
            let change = page.get(page.partition_point(|change| change.revision < revision));
            change.filter(|change| change.revision == revision).and_then(|change| change.history)
        };
        let applied = theirs(applied).zip(self.history(applied));
        applied.is_some_and(|(theirs, ours)| theirs != ours) || looked_up.differ_from(theirs)
    }

    /// Returns whether the change that was applied last is not in the feed any more, so that it is unknown whether the
    /// database still has it.
    pub(super) fn cannot_compare(&self, applied: u64, page: &[Change]) -> bool {
        self.history(applied).is_some() && page.first().is_none_or(|change| change.revision != applied)
    }

    pub(super) fn history(&self, revision: u64) -> Option<HistoryHash> {
        self.parts.cache.applied_changes().history(revision)
    }

    /// Continues at the present state of the database, with an empty cache. Needed if the feed has a gap: changes were
    /// pruned while this replica was away, and it is unknown which entries are stale. Unless the audit log shows that the
    /// database still has what was applied here, revocations that were applied here are written again if it lacks them.
    pub(super) async fn resync(&self, revision: u64) -> Result<(), SystemError> {
        let applied = self.applied_revision();
        tracing::warn!(applied, revision, "the change feed has a gap after {applied}; the cache is cleared");
        self.parts.cache.end_lease();
        // A primary from before a failover, which has what the new one lost, must not answer.
        self.parts.feed.require_revision(revision);
        let intact = match self.history(applied) {
            // If the search takes too long, the answer is unknown.
            Some(applied) => self.parts.feed.has_history(&applied).await.unwrap_or(false),
            None => false,
        };
        let again = if intact { None } else { Some(self.take_away_again(0).await?) };
        let history = self.history_of(revision).await?;
        self.restart_from(revision).await?;
        // Last, so that an attempt that failed is repeated: until then the histories show what is missing.
        let changes = self.parts.cache.applied_changes();
        if let Some(again) = again {
            changes.rebase(0, &again.revisions);
        }
        match history {
            Some(history) => changes.record_history(revision, history),
            // Without the row, there is nothing to compare it with.
            None => changes.forget_history(revision),
        }
        Ok(())
    }

    /// Reads the history of the database at its newest revision, which is not applied change by change, so that a later
    /// loss is noticed. Returns `None` if the feed has no row with it.
    pub(super) async fn history_of(&self, revision: u64) -> Result<Option<HistoryHash>, SystemError> {
        match self.parts.feed.history(revision, 1).await?.first() {
            Some((newest, history)) if *newest == revision => Ok(Some(*history)),
            Some(_) => self.check_missing(revision).await.map(|()| None),
            // Earlier releases recorded no histories.
            None => Ok(None),
        }
    }

    /// Checks that the feed has lost the row of a revision that was the newest one, for good. Logs it then. The row is never
    /// pruned, so it was deleted, or the database has lost it since the revision was read. Revision and rows are compared as
    /// of one moment, which tells one from the other.
    async fn check_missing(&self, revision: u64) -> Result<(), SystemError> {
        let extent = self.parts.feed.extent().await?;
        match extent.missing_rows() {
            Some(missing) if extent.head >= revision => {
                tracing::error!("{missing}. This replica goes on with an empty cache");
                Ok(())
            }
            Some(_) | None => Err(SystemError::database()),
        }
    }

    /// Loads the present state, and then puts it in force with an empty cache: nothing valid is denied meanwhile.
    pub(super) async fn restart_from(&self, revision: u64) -> Result<(), SystemError> {
        self.parts.feed.require_revision(revision);
        self.reload_profiles().await?;
        let key_ring = self.parts.signing.load(revision).await?;
        let newest = self.newest_state().await?;
        self.counts.restarts.fetch_add(1, Ordering::SeqCst);
        self.parts.cache.reset_to(revision, key_ring);
        if let Some(newest) = newest {
            self.parts.cache.reads().record(newest);
        }
        self.applied.send_replace(revision);
        Ok(())
    }

    /// Puts the newest version of each profile in force. A profile that does not compile here (a newer release has
    /// stored it) is left out: calls to it are denied rather than decided by an outdated version.
    pub(super) async fn reload_profiles(&self) -> Result<(), SystemError> {
        let records = self.parts.store.profiles().await?;
        let secrets = self.parts.store.profile_secrets().await?;
        let mut compiled: Vec<Profile> = records.iter().filter_map(|record| match Profile::compile(&record.document, record.version) {
            Ok(profile) => Some(profile),
            Err(errors) => {
                tracing::error!(profile = %record.name, version = record.version, %errors, "failed to compile a stored profile; calls to it are denied");
                None
            }
        }).collect();
        for profile in &mut compiled {
            self.set_hash_secrets(profile, &secrets);
        }
        self.parts.catalog.replace_all(compiled);
        *self.documents.lock().unwrap_or_else(PoisonError::into_inner) = records;
        Ok(())
    }

    /// Decrypts the secrets that a profile names. Keys whose hashes need one that cannot be decrypted are not found.
    fn set_hash_secrets(&self, profile: &mut Profile, secrets: &[ProfileSecretRecord]) {
        let name = profile.name().to_owned();
        profile.set_hash_secrets(|secret| {
            let record = secrets.iter().find(|record| *record.profile == *name && *record.name == *secret)?;
            let opened = HashSecret::open(record, &self.parts.signing.sealer);
            opened
                .inspect_err(|_| {
                    tracing::error!(profile = %name, secret, "failed to decrypt a secret of a profile with the master key; keys whose hashes need it are denied");
                })
                .ok()
        });
    }
}
