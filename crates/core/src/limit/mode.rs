//! Where a bucket's tokens are counted when several replicas count together: each time in the one place that
//! all of them ask, or by batches that a replica takes from there and spends on its own.

use std::time::Duration;

use super::{BucketAlgorithm, Limit};

/// How replicas share a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountingMode {
    /// Asks each time: what is left is exact to the token.
    #[default]
    Exact,
    /// Takes batches sized by use: few questions; what is left is exact to a batch.
    Leased,
}

/// Tokens a second from which on batches pay. Below, a batch of a fifth of a second is hardly more than the
/// calls that it would save, and an exact count costs so few questions that nobody notices them.
const LEASED_FROM: u128 = 100;

impl CountingMode {
    /// The mode of a bucket whose rule names none. Batches lie with replicas while they are spent, and a
    /// bucket has to hold at least a second's worth for that not to be missed.
    #[must_use]
    pub fn of(limit: Limit, algorithm: BucketAlgorithm) -> Self {
        let second = Duration::from_secs(1).as_nanos();
        let a_second = u128::from(limit.tokens) * second / limit.period.as_nanos().max(1);
        let holds = match algorithm {
            BucketAlgorithm::TokenBucket => u128::from(limit.burst),
            BucketAlgorithm::FixedWindow => u128::from(limit.tokens),
        };
        if a_second >= LEASED_FROM && holds >= a_second { Self::Leased } else { Self::Exact }
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
