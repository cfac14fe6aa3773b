//! Size of the cache, for metrics.

use super::bounded_cache::slot_size;
use super::{Absence, ReplicaCache};
use crate::secret::KeyHash;

impl ReplicaCache {
    /// Returns the approximate size of all entries in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let negative = self.negative.len() * slot_size::<KeyHash, Absence>();
        let shared = self.tenants.bytes() + self.attributes.bytes() + self.changes.bytes();
        self.keys.bytes() + negative + shared + self.tokens.bytes()
    }

    /// Returns the number of cached keys.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Returns the number of entries of each type.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, usize); 6] {
        let [users, families, verified] = self.tokens.counts();
        let negative = self.negative.len();
        [
            ("key", self.keys.len()),
            ("negative", negative),
            ("user", users),
            ("family", families),
            ("token", verified),
            ("change", self.changes.len()),
        ]
    }
}
