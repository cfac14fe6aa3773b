//! Levels of buckets, and the arithmetic that all limiters share. Tokens are counted in whole parts: a token
//! has as many parts as its period has nanoseconds, and each nanosecond refills as many parts as the period
//! refills tokens, so that nothing is rounded.

use std::cmp::Reverse;
use std::time::Duration;

use smallvec::SmallVec;

use super::{BucketAlgorithm, BucketCharge, BucketId, Limit};
use crate::time::nanos;

/// Level of a bucket after a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The bucket.
    pub bucket: BucketId,
    /// Most tokens that the bucket holds.
    pub limit: u64,
    /// Tokens that are left.
    pub remaining: u64,
    /// Time until the bucket is full.
    pub reset_after: Duration,
    /// Time until the same call would find room; zero if it does now.
    pub retry_after: Duration,
}

/// Levels of every bucket that was consulted, the tightest first.
pub type Levels = SmallVec<[Level; 4]>;

impl Level {
    /// Returns the level of a bucket that holds `parts` parts. `window_left` is the rest of the present window;
    /// a token bucket ignores it.
    #[must_use]
    pub fn of(charge: &BucketCharge, parts: u128, window_left: Duration, cost: u64) -> Self {
        let BucketCharge { bucket, limit, algorithm, .. } = *charge;
        let (capacity, token) = (capacity(limit, algorithm), parts_per_token(limit));
        let until = |parts: u128| match algorithm {
            _ if parts == 0 => Duration::ZERO,
            BucketAlgorithm::TokenBucket => {
                let tokens = u128::from(limit.tokens);
                Duration::from_nanos(quotient(parts.saturating_add(tokens - 1), tokens))
            }
            BucketAlgorithm::FixedWindow => window_left,
        };
        Self {
            bucket,
            limit: size(limit, algorithm),
            remaining: quotient(parts, token),
            reset_after: until(capacity.saturating_sub(parts)),
            retry_after: until((u128::from(cost) * token).saturating_sub(parts)),
        }
    }
}

/// Sorts levels: the bucket with the longest time to wait is first, then the one with the fewest tokens left.
pub fn sort_tightest_first(levels: &mut Levels) {
    levels.sort_by_key(|level| (Reverse(level.retry_after), level.remaining, level.limit));
}

/// Returns the number of parts of a token.
#[must_use]
pub fn parts_per_token(limit: Limit) -> u128 {
    u128::from(nanos(limit.period))
}

/// Returns the most parts that a bucket holds.
#[must_use]
pub fn capacity(limit: Limit, algorithm: BucketAlgorithm) -> u128 {
    u128::from(size(limit, algorithm)) * parts_per_token(limit)
}

/// Returns the most tokens that a bucket holds. A window holds the tokens of the rate; a burst applies to a
/// token bucket alone.
fn size(limit: Limit, algorithm: BucketAlgorithm) -> u64 {
    match algorithm {
        BucketAlgorithm::TokenBucket => limit.burst,
        BucketAlgorithm::FixedWindow => limit.tokens,
    }
}

/// Divides. Nearly all numbers fit into 64 bits, in which a division is many times faster.
fn quotient(number: u128, by: u128) -> u64 {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => number / by,
        (Err(_), _) | (_, Err(_)) => u64::try_from(number / by).unwrap_or(u64::MAX),
    }
}
