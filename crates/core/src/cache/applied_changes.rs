//! Changes that the replica has applied from the feed: for each subject the newest one, and the access that it took
//! away. A database that lost commits, or a server that is behind, may return a record from before such a change.
//! This table detects such a record, and lists the access that must be taken away again.
//!
//! The table is bounded: the oldest changes are dropped first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::error::SystemError;
use crate::ports::{Change, ChangeEffect, ChangeSubject, HistoryHash};

/// Largest number of subjects, and of histories.
const MAX_CAPACITY: usize = 65_536;
/// Number of subjects that are recorded in the smallest cache.
const MIN_CAPACITY: usize = 8_192;
/// Bytes of a subject in both tables, and of one or two histories, with the reserve of growing tables.
const ENTRY_BYTES: usize = 336;

/// Problem of a database that returned a record from before a change that was applied here.
const OUTDATED: &str =
    "can't be used for this object: it returned an older state of it than before; see Latchkey's log";

/// Newest changes by subject, with the history of the database at each revision.
#[derive(Debug)]
pub struct AppliedChanges {
    entries: Mutex<Entries>,
    /// Largest number of subjects, and of histories.
    capacity: usize,
    /// Number of records from before such a change that the database returned, and that were refused.
    outdated: AtomicU64,
}

impl Default for AppliedChanges {
    fn default() -> Self {
        Self::with_bytes(usize::MAX)
    }
}

#[derive(Debug, Default)]
struct Entries {
    by_subject: HashMap<ChangeSubject, AppliedChange>,
    by_revision: BTreeSet<(u64, ChangeSubject)>,
    histories: BTreeMap<u64, HistoryHash>,
}

/// The newest change of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AppliedChange {
    revision: u64,
    /// Access that this change took away, or that an earlier one took away and no later one is known to have restored.
    /// Most subjects have one effect at most.
    effects: SmallVec<[AppliedEffect; 1]>,
}

/// Access that the change of a revision took away.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AppliedEffect {
    revision: u64,
    effect: ChangeEffect,
}

/// Access that was taken away, and at which revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenAway {
    /// Revision of the change that took it away.
    pub revision: u64,
    /// The subject.
    pub subject: ChangeSubject,
    /// The access that was taken away.
    pub effect: ChangeEffect,
}

impl AppliedChanges {
    /// Returns an empty table of about `bytes` bytes: 8,192 to 65,536 subjects.
    pub(super) fn with_bytes(bytes: usize) -> Self {
        let capacity = (bytes / ENTRY_BYTES).clamp(MIN_CAPACITY, MAX_CAPACITY);
        Self { entries: Mutex::default(), capacity, outdated: AtomicU64::new(0) }
    }

    /// Returns a table of all of these changes, in the order of their revisions.
    #[must_use]
    pub fn of(changes: &[Change]) -> Self {
        let table = Self { capacity: changes.len(), ..Self::default() };
        for change in changes {
            table.record(change);
        }
        table
    }

    /// Returns the number of refused records, from before a change that was applied here, that are not forgotten.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.outdated.load(Ordering::Relaxed)
    }

    /// Forgets a number of refused records, at most as many as there are.
    pub fn forget_refused(&self, number: u64) {
        self.outdated.fetch_sub(number, Ordering::Relaxed);
    }

    /// Returns the number of recorded subjects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().by_subject.len()
    }

    /// Returns whether nothing was changed so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the approximate size in bytes.
    pub(super) fn bytes(&self) -> usize {
        let entries = self.entries();
        entries.by_subject.len().max(entries.histories.len() / 2) * ENTRY_BYTES
    }

    /// Records a change. The effect of an earlier change stays recorded, unless it is a state that each change of the
    /// subject reports.
    pub(super) fn record(&self, change: &Change) {
        let mut entries = self.entries();
        let mut effects = entries.remove(&change.subject).map(|before| before.effects).unwrap_or_default();
        effects.retain(|taken| !is_state(&taken.effect) && Some(&taken.effect) != change.effect.as_ref());
        let revision = change.revision;
        effects.extend(change.effect.clone().map(|effect| AppliedEffect { revision, effect }));
        entries.insert(change.subject.clone(), AppliedChange { revision, effects });
        if let Some(history) = change.history {
            entries.histories.insert(change.revision, history);
        }
        entries.trim(self.capacity);
    }

    /// Returns an error if a database that claims to have all changes up to `read_at` returned a record that was last
    /// changed at `revision`, and a later change of it was applied here: the database has lost that change. A record
    /// that was read before the change is no error.
    pub(crate) fn check(
        &self,
        subject: &ChangeSubject,
        revision: u64,
        read_at: u64,
    ) -> Result<(), SystemError> {
        let entries = self.entries();
        let lost = |applied: &AppliedChange| applied.revision > revision && applied.revision <= read_at;
        if entries.by_subject.get(subject).is_some_and(lost) { Err(self.outdated()) } else { Ok(()) }
    }

    /// Returns an error if the subject, which was read as being in force, was revoked or ended here. Both are
    /// irreversible, so revisions need not be compared: those of a database that lost changes are not reliable.
    pub(crate) fn check_not_ended(&self, subject: &ChangeSubject) -> Result<(), SystemError> {
        let entries = self.entries();
        let ended =
            |applied: &AppliedChange| applied.effects.iter().any(|taken| is_irreversible(&taken.effect));
        if entries.by_subject.get(subject).is_some_and(ended) { Err(self.outdated()) } else { Ok(()) }
    }

    /// Counts a record from before a change that was applied here, and returns its error.
    fn outdated(&self) -> SystemError {
        self.outdated.fetch_add(1, Ordering::Relaxed);
        SystemError::database_refused(OUTDATED)
    }

    /// Records the history of the database at a revision that was not applied change by change.
    pub fn record_history(&self, revision: u64, history: HistoryHash) {
        self.entries().histories.insert(revision, history);
    }

    /// Forgets the history at a revision whose row the feed does not have any more, so that nothing can be compared with it.
    pub fn forget_history(&self, revision: u64) {
        self.entries().histories.remove(&revision);
    }

    /// Returns the history of the database at a revision, if the feed has shown it.
    #[must_use]
    pub fn history(&self, revision: u64) -> Option<HistoryHash> {
        self.entries().histories.get(&revision).copied()
    }

    /// Returns the changes after a revision that took access away, oldest first.
    #[must_use]
    pub fn taken_away_after(&self, after: u64) -> Vec<TakenAway> {
        let entries = self.entries();
        let mut taken = Vec::new();
        for (_, subject) in entries.by_revision.iter().filter(|(revision, _)| *revision > after) {
            let effects = entries.by_subject.get(subject).map(|applied| &applied.effects[..]);
            let lost = effects.unwrap_or_default().iter().filter(|taken| taken.revision > after).cloned();
            taken.extend(lost.map(|AppliedEffect { revision, effect }| TakenAway {
                revision,
                subject: subject.clone(),
                effect,
            }));
        }
        taken.sort_by_key(|taken| taken.revision);
        taken
    }

    /// Returns whether a change of this subject after a revision was applied here.
    #[must_use]
    pub fn changed_after(&self, subject: &ChangeSubject, revision: u64) -> bool {
        self.entries().by_subject.get(subject).is_some_and(|applied| applied.revision > revision)
    }

    /// Drops the changes after a revision, which the database lost. The access that they took away was taken away
    /// again, at the revisions `again` by subject. Those effects stay recorded, because the database may lose them
    /// once more.
    pub fn rebase(&self, common: u64, again: &HashMap<ChangeSubject, u64>) {
        let mut entries = self.entries();
        let lost: Vec<ChangeSubject> = entries
            .by_revision
            .iter()
            .filter(|(at, _)| *at > common)
            .map(|(_, subject)| subject.clone())
            .collect();
        for subject in lost {
            let Some(mut effects) = entries.remove(&subject).map(|before| before.effects) else { continue };
            match again.get(&subject) {
                Some(again) => {
                    let lost = effects.iter_mut().filter(|taken| taken.revision > common);
                    lost.for_each(|taken| taken.revision = *again);
                }
                None => effects.retain(|taken| taken.revision <= common),
            }
            if let Some(revision) = effects.iter().map(|taken| taken.revision).max() {
                entries.insert(subject, AppliedChange { revision, effects });
            }
        }
        let _ = entries.histories.split_off(&common.saturating_add(1));
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn insert(&mut self, subject: ChangeSubject, applied: AppliedChange) {
        self.by_revision.insert((applied.revision, subject.clone()));
        self.by_subject.insert(subject, applied);
    }

    fn remove(&mut self, subject: &ChangeSubject) -> Option<AppliedChange> {
        let applied = self.by_subject.remove(subject)?;
        self.by_revision.remove(&(applied.revision, subject.clone()));
        Some(applied)
    }

    fn trim(&mut self, capacity: usize) {
        while self.by_revision.len() > capacity {
            if let Some((_, subject)) = self.by_revision.pop_first() {
                self.by_subject.remove(&subject);
            }
        }
        while self.histories.len() > capacity {
            self.histories.pop_first();
        }
    }
}

/// Returns whether each change of the subject reports if the effect still holds. No change reports the end of a
/// restriction.
fn is_state(effect: &ChangeEffect) -> bool {
    match effect {
        ChangeEffect::Suspended | ChangeEffect::Disabled => true,
        ChangeEffect::Revoked
        | ChangeEffect::Ended
        | ChangeEffect::Withdrawn(_)
        | ChangeEffect::Restricted => false,
    }
}

fn is_irreversible(effect: &ChangeEffect) -> bool {
    match effect {
        ChangeEffect::Revoked | ChangeEffect::Ended | ChangeEffect::Withdrawn(_) => true,
        ChangeEffect::Suspended | ChangeEffect::Disabled | ChangeEffect::Restricted => false,
    }
}

#[cfg(test)]
mod tests;
