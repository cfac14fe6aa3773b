//! Counting modes of buckets that several replicas share: each call is counted in a counter that all replicas
//! share, or a replica takes batches of tokens from that counter and spends them locally.

use std::time::Duration;

use super::{BucketAlgorithm, Limit};

/// Counting mode of a shared bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountingMode {
    /// Each call asks the shared counter: the remaining tokens are exact.
    #[default]
    Exact,
    /// Replicas take batches sized by use: few requests to the shared counter, and the remaining tokens are
    /// exact to a batch.
    Leased,
}

/// Rate in tokens per second from which batches are worthwhile. Below it, a batch for a fifth of a second is
/// hardly more than the calls that it would save, and exact counting costs few requests.
const LEASED_FROM: u128 = 100;

impl CountingMode {
    /// Returns the mode of a bucket whose rule names none. Replicas hold batches while they spend them, so a
    /// bucket must hold at least the tokens of a second for batches not to be noticed.
    #[must_use]
    pub fn of(limit: Limit, algorithm: BucketAlgorithm) -> Self {
        let second = Duration::from_secs(1).as_nanos();
        let per_second = u128::from(limit.tokens) * second / limit.period.as_nanos().max(1);
        let capacity = u128::from(super::size(limit, algorithm));
        if per_second >= LEASED_FROM && capacity >= per_second { Self::Leased } else { Self::Exact }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::parse_key_limit;

    #[test]
    fn fast_and_deep_buckets_are_leased() {
        let mode =
            |text: &str| CountingMode::of(parse_key_limit(text).unwrap(), BucketAlgorithm::TokenBucket);
        assert_eq!(mode("100/s"), CountingMode::Leased);
        assert_eq!(mode("6000/min"), CountingMode::Leased);
        assert_eq!(mode("99/s"), CountingMode::Exact);
        assert_eq!(mode("5000/min burst 500"), CountingMode::Exact);
        assert_eq!(mode("1000/s burst 999"), CountingMode::Exact);
        assert_eq!(mode("1000/s burst 1000"), CountingMode::Leased);
    }
}
