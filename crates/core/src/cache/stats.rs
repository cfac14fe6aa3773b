//! How much is remembered, for whoever watches.

use super::ReplicaCache;
use super::bounded_cache::slot_size;
use crate::secret::KeyHash;

impl ReplicaCache {
    /// About how many bytes all of it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let negative = self.negative.len() * slot_size::<KeyHash, ()>();
        self.keys.bytes() + negative + self.tenants.bytes() + self.attributes.bytes() + self.tokens.bytes()
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// How many things of each sort are remembered.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, usize); 5] {
        let [users, families, verified] = self.tokens.sizes();
        let negative = self.negative.len();
        [
            ("key", self.keys.len()),
            ("negative", negative),
            ("user", users),
            ("family", families),
            ("token", verified),
        ]
    }
}
