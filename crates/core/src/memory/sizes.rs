//! How much is remembered, for whoever watches.

use super::Memory;
use super::shelf::place;
use crate::secret::KeyHash;

impl Memory {
    /// About how many bytes all of it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let absent = self.absent.len() * place::<KeyHash, ()>();
        self.known.bytes() + absent + self.tenants.bytes() + self.groups.bytes() + self.tokens.bytes()
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.known.len()
    }

    /// How many things of each sort are remembered.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, usize); 5] {
        let [users, families, bearers] = self.tokens.sizes();
        let absent = self.absent.len();
        [
            ("key", self.known.len()),
            ("absent", absent),
            ("user", users),
            ("family", families),
            ("token", bearers),
        ]
    }
}
