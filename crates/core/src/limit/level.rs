//! What a bucket looks like after a call, and the arithmetic that every counter shares. Tokens are counted in
//! whole parts: a token is as many parts as its period has nanoseconds, and each nanosecond brings as many
//! parts as the period brings tokens, so that nothing is ever rounded away.

use std::cmp::Reverse;
use std::time::Duration;

use smallvec::SmallVec;

use super::{BucketAlgorithm, BucketCharge, BucketId, Limit};
use crate::time::nanos;

/// What a bucket looks like after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Which.
    pub bucket: BucketId,
    /// How many it holds at most.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// Until it is full again.
    pub reset_after: Duration,
    /// Until the same call would find room; zero where it does now.
    pub retry_after: Duration,
}

/// Levels of every bucket that was consulted, the tightest first.
pub type Levels = SmallVec<[Level; 4]>;

impl Level {
    /// The level of a bucket that holds so many parts; `left` is what is left of its window, if it is one.
    #[must_use]
    pub fn of(charge: &BucketCharge, parts: u128, left: Duration, cost: u64) -> Self {
        let BucketCharge { bucket, limit, algorithm, .. } = *charge;
        let (most, token) = (capacity(limit, algorithm), parts_per_token(limit));
        let until = |parts: u128| match algorithm {
            _ if parts == 0 => Duration::ZERO,
            BucketAlgorithm::TokenBucket => {
                let tokens = u128::from(limit.tokens);
                Duration::from_nanos(quotient(parts.saturating_add(tokens - 1), tokens))
            }
            BucketAlgorithm::FixedWindow => left,
        };
        Self {
            bucket,
            limit: size(limit, algorithm),
            remaining: quotient(parts, token),
            reset_after: until(most.saturating_sub(parts)),
            retry_after: until((u128::from(cost) * token).saturating_sub(parts)),
        }
    }
}

/// The bucket that one has to wait for longest comes first, then the one with least left.
pub fn sort_tightest_first(levels: &mut Levels) {
    levels.sort_by_key(|level| (Reverse(level.retry_after), level.remaining, level.limit));
}

/// How many parts a token is.
#[must_use]
pub fn parts_per_token(limit: Limit) -> u128 {
    u128::from(nanos(limit.period))
}

/// The most parts that a bucket holds.
#[must_use]
pub fn capacity(limit: Limit, algorithm: BucketAlgorithm) -> u128 {
    u128::from(size(limit, algorithm)) * parts_per_token(limit)
}

/// The most tokens that a bucket holds. A window holds the rate's count; a burst is a token bucket's alone.
fn size(limit: Limit, algorithm: BucketAlgorithm) -> u64 {
    match algorithm {
        BucketAlgorithm::TokenBucket => limit.burst,
        BucketAlgorithm::FixedWindow => limit.tokens,
    }
}

/// Nearly all numbers have room in 64 bits, in which they are divided many times faster.
fn quotient(number: u128, by: u128) -> u64 {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => number / by,
        (Err(_), _) | (_, Err(_)) => u64::try_from(number / by).unwrap_or(u64::MAX),
    }
}
