//! Reads of states of the database that are newer than what the feed has shown: the states, and the keys whose changes are
//! still to come and whose entries have them already. A key that is checked right after its creation stays cached when
//! the creation is applied.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ReplicaCache;
use crate::ports::{Change, HistoryHash, ReadAt};
use crate::secret::KeyHash;

impl ReplicaCache {
    /// Returns the states of the database that the cache was filled from.
    #[must_use]
    pub fn reads(&self) -> &RecordedReads {
        &self.reads
    }

    /// Begins a look-up. Its result is not cached if the cache is reset meanwhile.
    pub(crate) fn begin_read(&self) -> ReadStart {
        ReadStart(self.resets.load(Ordering::SeqCst))
    }

    /// Returns the start of a look-up whose result is known now: one that is never cached if its state has no known
    /// history.
    pub(crate) fn cacheable(start: ReadStart, read_at: ReadAt) -> ReadStart {
        if read_at.unknown_history { ReadStart(u64::MAX) } else { start }
    }

    /// Records the state that the cache is about to be filled from. It must be called before the cache is filled, since
    /// the feed may pass the state in between.
    pub(crate) fn record_read(&self, start: ReadStart, read_at: ReadAt) {
        if !self.is_stale(start, read_at.revision) {
            self.reads.record(read_at);
        }
    }

    /// Removes a key that the database does not have any more.
    pub(crate) fn remove_key(&self, hash: &KeyHash) {
        self.keys.remove(hash);
    }

    /// Returns whether what was read at a revision may be older than what the feed has shown, or not be in the database.
    pub(crate) fn is_stale(&self, start: ReadStart, revision: u64) -> bool {
        self.applied_revision() > revision || self.begin_read() != start
    }
}

/// Largest number of keys. If there are more, all are forgotten, and their entries are read again after their changes.
const MAX_KEYS: usize = 16_384;

/// Start of a look-up: the number of resets of the cache so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadStart(pub(super) u64);

/// Revisions of a key that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRead {
    /// Start of the look-up.
    pub(crate) start: ReadStart,
    /// The revision at which it was read.
    pub(crate) revision: u64,
    /// The revision of the key's newest change.
    pub(crate) changed_at: u64,
}

/// States of the database that the cache was filled from and that were not compared with the feed yet. A database that is
/// behind the newest one, or has another history at one, has lost commits.
#[derive(Clone, Debug, Default)]
pub struct ReadStates {
    histories: BTreeMap<u64, Option<HistoryHash>>,
    /// True if two histories were read at one revision, or if the states are too many to be compared.
    mixed: bool,
}

/// Largest number of states that are kept for a comparison. There are as many as there are writes between two polls.
const MAX_STATES: usize = 4_096;

impl ReadStates {
    fn record(&mut self, read_at: ReadAt) {
        let known = self.histories.entry(read_at.revision).or_default();
        self.mixed |= known.zip(read_at.history).is_some_and(|(known, read)| known != read);
        *known = read_at.history.or(*known);
        if self.histories.len() > MAX_STATES {
            self.mixed = true;
            self.histories.pop_first();
        }
    }

    /// Returns the newest revision; 0 if there is none.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.histories.last_key_value().map_or(0, |(revision, _)| *revision)
    }

    /// Returns whether something was read from another history than `known`, which returns the history at a revision where
    /// it is known.
    pub fn differ_from(&self, known: impl Fn(u64) -> Option<HistoryHash>) -> bool {
        let differs = |(revision, read): (&u64, &Option<HistoryHash>)| {
            read.zip(known(*revision)).is_some_and(|(read, known)| read != known)
        };
        self.histories.iter().any(differs)
    }

    /// Returns whether two histories were read, so that some of what was read is not in the database.
    #[must_use]
    pub fn are_mixed(&self) -> bool {
        self.mixed
    }
}

/// [`ReadStates`] that look-ups record and the follower compares.
#[derive(Debug, Default)]
pub struct RecordedReads(Mutex<ReadStates>);

impl RecordedReads {
    /// Records a state.
    pub fn record(&self, read_at: ReadAt) {
        self.states().record(read_at);
    }

    /// Returns the states so far.
    #[must_use]
    pub fn get(&self) -> ReadStates {
        self.states().clone()
    }

    /// Forgets the states up to a revision that were compared.
    pub fn forget(&self, compared: &ReadStates, revision: u64) {
        let mut states = self.states();
        for (at, history) in compared.histories.range(..=revision) {
            if states.histories.get(at) == Some(history) {
                states.histories.remove(at);
            }
        }
    }

    pub(super) fn clear(&self) {
        *self.states() = ReadStates::default();
    }

    fn states(&self) -> MutexGuard<'_, ReadStates> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Revisions of the newest changes that cached keys have, where the feed has not shown them yet.
#[derive(Debug, Default)]
pub(super) struct ReadAhead(Mutex<HashMap<KeyHash, u64>>);

impl ReadAhead {
    /// Records that the entry of a key, which is about to be cached, has the change of `revision`, which the feed has not
    /// shown yet.
    pub(super) fn insert(&self, hash: KeyHash, revision: u64) {
        let mut keys = self.keys();
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(hash, revision);
    }

    /// Forgets that the entry of a key has the change of `revision`, since it was not cached.
    pub(super) fn remove(&self, hash: &KeyHash, revision: u64) {
        let mut keys = self.keys();
        if keys.get(hash) == Some(&revision) {
            keys.remove(hash);
        }
    }

    /// Forgets what is known of the entry of a key.
    pub(super) fn forget(&self, hash: &KeyHash) {
        self.keys().remove(hash);
    }

    /// Returns whether the entry of a key has this change, and forgets the key. A change that takes something away is not
    /// compared: it removes the entry.
    pub(super) fn take(&self, hash: &KeyHash, change: &Change) -> bool {
        let mut keys = self.keys();
        // Usually no key is ahead of the feed.
        let known = if keys.is_empty() { None } else { keys.remove(hash) };
        change.effect.is_none() && known == Some(change.revision)
    }

    /// Forgets all keys.
    pub(super) fn clear(&self) {
        self.keys().clear();
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<KeyHash, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
