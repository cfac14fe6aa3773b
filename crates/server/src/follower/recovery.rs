//! Recovery from a database that lost commits: it was restored from a backup under a running fleet, or a standby that
//! lacked the newest commits became the primary. The changes that this replica had applied are compared with those
//! that the database has, and lost revocations are written again before anything is trusted. Here, a
//! revocation is every change that takes access away, including a suspension, a deletion or a restriction.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use latchkey_core::cache::TakenAway;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::recovery::ReapplyTo;
use latchkey_management::ports::{ApplyResult, AuditAction, AuditEntry, NewProfileVersion, WriteResult};

use super::{Follower, PAGE_SIZE};

/// Action of the audit event that says that commits are missing.
pub(crate) const HISTORY_LOST: AuditAction = AuditAction::DatabaseHistoryLost;

impl Follower {
    /// Writes lost revocations again, and restarts from the newest revision that this replica and the database share.
    pub(super) async fn recover(&self, head: u64) -> Result<(), SystemError> {
        self.parts.cache.end_lease();
        // The commits are there, and the table that says so is altered.
        if let Some(damage) = self.parts.feed.extent().await?.rows_behind() {
            return Err(SystemError::Internal(damage));
        }
        let applied = self.applied_revision();
        let known = applied.max(self.parts.cache.reads().get().newest());
        let common = self.common_revision(head.min(applied)).await?;
        tracing::error!(
            common,
            applied,
            known,
            head,
            "the database lost commits: revisions after {common} that this replica has read up to {known} are not in it; the revocations among those that it had applied, up to {applied}, are written again"
        );
        self.parts.feed.require_revision(0);
        self.parts.feed.replace_sessions();
        self.reapply_profiles(common).await?;
        let again = self.take_away_again(common).await?;
        self.record_loss(common, known, again.written).await?;
        self.restart_from(common).await?;
        // Last, so that an attempt that failed is repeated: until then the histories show what is missing.
        self.parts.cache.applied_changes().rebase(common, &again.revisions);
        self.request_round();
        Ok(())
    }

    /// Writes the audit event of a loss, and counts it; once for the same revisions, however often the recovery is repeated.
    async fn record_loss(&self, common: u64, known: u64, again: u64) -> Result<(), SystemError> {
        if self.counts.is_recorded(common, known) {
            return Ok(());
        }
        self.parts.recovery.record(self.loss_entry(common, known, again)).await?;
        self.counts.set_recorded(common, known);
        self.counts.lost_revisions.fetch_add(known.saturating_sub(common), Ordering::Relaxed);
        Ok(())
    }

    /// Writes all revocations again that were applied here after a revision.
    pub(super) async fn take_away_again(&self, common: u64) -> Result<ReappliedRevocations, SystemError> {
        let (mut written_again, mut revisions) = (0, HashMap::new());
        for taken in self.parts.cache.applied_changes().taken_away_after(common) {
            let written = self.reapply(&taken, ReapplyTo::All).await?;
            written_again += u64::from(written.changed);
            self.counts.reapplied.fetch_add(u64::from(written.changed), Ordering::Relaxed);
            let revision = revisions.entry(taken.subject).or_default();
            *revision = written.revision.max(*revision);
        }
        // What was written again may be lost once more before the feed shows it.
        let newest = revisions.values().copied().max().unwrap_or_default();
        self.required_head.store(newest, Ordering::SeqCst);
        Ok(ReappliedRevocations { written: written_again, revisions })
    }

    /// Returns the newest revision whose history this replica and the database share; 0 if none is known.
    async fn common_revision(&self, newest: u64) -> Result<u64, SystemError> {
        let mut newest = newest;
        loop {
            let page = self.parts.feed.history(newest, PAGE_SIZE).await?;
            let shared = |(revision, theirs): &&(u64, [u8; 32])| {
                self.history(*revision).is_some_and(|ours| ours == *theirs)
            };
            if let Some((revision, _)) = page.iter().find(shared) {
                return Ok(*revision);
            }
            match page.last() {
                Some((oldest, _)) if *oldest > 1 && page.len() >= PAGE_SIZE as usize => newest = oldest - 1,
                Some(_) | None => return Ok(0),
            }
        }
    }

    /// Writes a revocation again, if the database lacks it.
    pub(super) async fn reapply(
        &self,
        taken: &TakenAway,
        objects: ReapplyTo,
    ) -> Result<WriteResult<()>, SystemError> {
        let (action, target) = describe(taken);
        let entry = self.entry(action, target).with("lost_revision", taken.revision);
        let written = self.parts.recovery.reapply(taken, objects, entry.0).await?;
        if written.changed {
            tracing::warn!(action = action.text(), lost_revision = taken.revision, "reapplied a revocation");
        }
        Ok(written)
    }

    /// Applies the documents again that were in force here and are not in the database. A document that an operator has
    /// applied since the loss stays.
    async fn reapply_profiles(&self, common: u64) -> Result<(), SystemError> {
        let known = self.documents.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let changes = self.parts.cache.applied_changes();
        let lost = |record: &&ProfileRecord| {
            changes.changed_after(&ChangeSubject::Profile(record.name.clone()), common)
        };
        for ours in known.iter().filter(lost) {
            self.reapply_profile(ours, common).await?;
        }
        Ok(())
    }

    async fn reapply_profile(&self, ours: &ProfileRecord, common: u64) -> Result<(), SystemError> {
        let stored = self.parts.store.profiles().await?;
        let theirs = stored.iter().find(|record| record.name == ours.name);
        if theirs.is_some_and(|theirs| theirs.document == ours.document) {
            tracing::error!(
                profile = %ours.name,
                "the database lost a change of a profile whose document is the same: compare its secrets with those that were set or deleted shortly before"
            );
            return Ok(());
        }
        if theirs.is_some_and(|theirs| theirs.revision > common) {
            tracing::error!(
                profile = %ours.name,
                version = ours.version,
                "the database lost this version of a profile, and another document was applied since, which stays: compare them"
            );
            return Ok(());
        }
        let newest = stored.iter().map(|record| record.revision).max().unwrap_or_default();
        let entry = self
            .entry(AuditAction::ProfileReapply, ours.name.to_string())
            .with("lost_revision", ours.revision);
        let version = NewProfileVersion {
            name: &ours.name,
            document: &ours.document,
            comment: &ours.comment,
            expected_revision: newest,
        };
        match self.parts.store.apply_profile(version, entry.0).await {
            Ok(ApplyResult::Written(_)) => {
                tracing::warn!(profile = %ours.name, "applied the document of a profile again");
                Ok(())
            }
            // Another replica was faster; the next attempt compares with what it wrote.
            Ok(ApplyResult::Conflict) => Err(SystemError::database()),
            Err(ManagementError::System(error)) => Err(error),
            Err(ManagementError::Request(error)) => Err(SystemError::Internal(error.to_string())),
        }
    }

    fn loss_entry(&self, common: u64, known: u64, again: u64) -> AuditEntry {
        let entry = self.entry(HISTORY_LOST, format!("revisions {} to {known}", common + 1));
        entry.with("taken_away_again", again).0
    }

    fn entry(&self, action: AuditAction, target: String) -> Entry {
        Entry(AuditEntry {
            time: self.parts.clock.now().wall,
            tenant: None,
            actor: "latchkey".to_owned(),
            caller: None,
            action,
            target,
            request_id: String::new(),
            details: BTreeMap::new(),
        })
    }
}

/// Revocations that were written again.
pub(super) struct ReappliedRevocations {
    /// Number of revocations that the database lacked.
    written: u64,
    /// Revision at which the database has the revocation of each subject.
    pub(super) revisions: HashMap<ChangeSubject, u64>,
}

/// An audit entry that is being made.
struct Entry(AuditEntry);

impl Entry {
    fn with(mut self, name: &str, value: u64) -> Self {
        self.0.details.insert(name.to_owned(), value.to_string());
        self
    }
}

/// Returns the action and the target of the audit event for a revocation that is written again.
fn describe(taken: &TakenAway) -> (AuditAction, String) {
    match (&taken.subject, &taken.effect) {
        (ChangeSubject::Key(hash), ChangeEffect::Revoked) => (AuditAction::KeyRevokeAgain, short(&hash.0)),
        (ChangeSubject::Key(hash), _) => (AuditAction::KeyDisableAgain, short(&hash.0)),
        (ChangeSubject::Tenant(id), _) => (AuditAction::TenantSuspendAgain, id.to_string()),
        (ChangeSubject::User(id), _) => (AuditAction::UserDisableAgain, id.to_string()),
        (ChangeSubject::Family(id), _) => (AuditAction::TokenRevokeAgain, id.to_string()),
        (ChangeSubject::SigningKeys(_), ChangeEffect::Withdrawn(id)) => {
            (AuditAction::SigningKeyWithdrawAgain, id.to_string())
        }
        (ChangeSubject::SigningKeys(profile) | ChangeSubject::Profile(profile), _) => {
            (AuditAction::ProfileReapply, profile.to_string())
        }
    }
}

/// Returns the first bytes of a key's hash in hexadecimal, which name the key and reveal nothing.
fn short(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;

    hash[..8].iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
