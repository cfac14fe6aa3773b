//! Negative entries: hashes that belong to no key, and what is known about their past.

use super::ReplicaCache;
use super::read_ahead::ReadStart;
use crate::secret::KeyHash;

/// State of a hash that belongs to no key, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// No key has it now.
    Now,
    /// No key has it or ever had it.
    Never,
    /// A key had it until it was deleted.
    Deleted,
}

impl ReplicaCache {
    /// Returns whether a key with this hash was deleted; `None` if that is not cached.
    pub(crate) fn was_deleted(&self, hash: &KeyHash) -> Option<bool> {
        match self.negative.get(hash)? {
            Absence::Now => None,
            Absence::Never => Some(false),
            Absence::Deleted => Some(true),
        }
    }

    /// Caches what was read about a hash that belongs to no key, unless the read is older than what the feed has shown
    /// since.
    pub(crate) fn insert_absence(&self, hash: &KeyHash, absence: Absence, start: ReadStart, revision: u64) {
        self.insert_late(start, revision, || self.negative.insert(*hash, absence));
    }
}
