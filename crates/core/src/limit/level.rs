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
    /// Tokens of the rate, which is what a product promises.
    pub limit: u64,
    /// Period of the rate.
    pub period: Duration,
    /// Most tokens that the bucket holds: the burst of a token bucket, otherwise the tokens of the rate.
    pub capacity: u64,
    /// Tokens that are left.
    pub remaining: u64,
    /// Time until the bucket is full.
    pub reset_after: Duration,
    /// Time until the same call would find room; zero if it does now; `None` if it never will, because its cost
    /// is more than the bucket holds.
    pub retry_after: Option<Duration>,
}

/// Levels of every bucket that was consulted, the tightest first.
pub type Levels = SmallVec<[Level; 4]>;

/// Times that the state of a bucket knows. A token bucket computes its times from its tokens, and they are at
/// most `reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Time until the bucket is full.
    pub reset: Duration,
    /// Time until there is room for the cost.
    pub retry: Duration,
}

impl Level {
    /// Returns the level of a bucket that has room for `room` parts; below zero if more was spent than the present
    /// limit allows.
    #[must_use]
    pub fn of(charge: &BucketCharge, room: i128, waits: Waits, cost: u64) -> Self {
        let BucketCharge { bucket, limit, algorithm, .. } = *charge;
        let (capacity, token) = (signed(capacity(limit, algorithm)), parts_per_token(limit));
        let until = |parts: i128, window: Duration| match algorithm {
            _ if parts <= 0 => Duration::ZERO,
            BucketAlgorithm::TokenBucket => {
                let tokens = u128::from(limit.tokens);
                let nanos = quotient(parts.unsigned_abs().saturating_add(tokens - 1), tokens);
                Duration::from_nanos(nanos).min(waits.reset)
            }
            BucketAlgorithm::FixedWindow | BucketAlgorithm::SlidingWindow => window,
        };
        let size = size(limit, algorithm);
        let needed = signed(u128::from(cost) * token);
        Self {
            bucket,
            limit: limit.tokens,
            period: limit.period,
            capacity: size,
            remaining: quotient(u128::try_from(room).unwrap_or(0), token),
            reset_after: until(capacity - room, waits.reset),
            retry_after: (cost <= size).then(|| until(needed - room, waits.retry)),
        }
    }

    /// Returns whether this is the level of the same limit in another bucket.
    #[must_use]
    pub fn is_of_limit(&self, other: &Self) -> bool {
        let limit = |level: &Self| {
            (level.bucket.per, level.bucket.class_hash, level.limit, level.period, level.capacity)
        };
        limit(self) == limit(other)
    }

    /// Returns whether no wait helps: the cost is more than the bucket holds.
    #[must_use]
    pub fn never_fits(&self) -> bool {
        self.retry_after.is_none()
    }
}

/// Sorts levels: a bucket that never has room is first, then the one with the longest time to wait, then the one with
/// the fewest tokens left.
pub fn sort_tightest_first(levels: &mut Levels) {
    let wait = |level: &Level| level.retry_after.unwrap_or(Duration::MAX);
    levels.sort_by_key(|level| (Reverse(wait(level)), level.remaining, level.capacity));
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
#[must_use]
pub fn size(limit: Limit, algorithm: BucketAlgorithm) -> u64 {
    match algorithm {
        BucketAlgorithm::TokenBucket => limit.burst.unwrap_or(limit.tokens),
        BucketAlgorithm::FixedWindow | BucketAlgorithm::SlidingWindow => limit.tokens,
    }
}

/// Returns the number of parts in the smallest fraction of a token that a shared counter keeps: what a token bucket
/// refills in a microsecond, in lowest terms.
#[must_use]
pub fn fraction_unit(limit: Limit) -> u128 {
    let micros = u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX);
    1_000 * u128::from(gcd(limit.tokens, micros))
}

/// Returns the greatest common divisor.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Converts parts. No bucket has more than fit, because limits are bounded.
fn signed(parts: u128) -> i128 {
    i128::try_from(parts).unwrap_or(i128::MAX)
}

/// Divides. Nearly all numbers fit into 64 bits, in which a division is many times faster.
pub(super) fn quotient(number: u128, by: u128) -> u64 {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => number / by,
        (Err(_), _) | (_, Err(_)) => u64::try_from(number / by).unwrap_or(u64::MAX),
    }
}
