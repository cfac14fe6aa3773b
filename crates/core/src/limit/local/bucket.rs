//! State of one bucket in this process: the tokens that it holds, the time they were counted at, and the
//! limit. The arithmetic is that of [`Level`], in whole parts of a token.

use crate::limit::{BucketAlgorithm, BucketCharge, Level, Limit, capacity, parts_per_token};
use crate::time::{MonotonicInstant, nanos};

/// A bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    limit: Limit,
    algorithm: BucketAlgorithm,
    /// Parts that the bucket held at `at`.
    parts: u128,
    /// Time that `parts` refers to; for a window, its begin.
    at: MonotonicInstant,
}

impl Bucket {
    pub(super) fn full(charge: &BucketCharge, now: MonotonicInstant) -> Self {
        let BucketCharge { limit, algorithm, .. } = *charge;
        Self { limit, algorithm, parts: capacity(limit, algorithm), at: now }
    }

    /// Refills the bucket up to `now` and applies the present limit.
    pub(super) fn refill(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        if (self.limit, self.algorithm) != (charge.limit, charge.algorithm) {
            self.change_limit(charge, now);
        }
        match self.algorithm {
            BucketAlgorithm::TokenBucket => {
                self.parts = self.parts_at(now);
                self.at = now;
            }
            BucketAlgorithm::FixedWindow => {
                if now.since(self.at) >= self.limit.period {
                    self.parts = capacity(self.limit, self.algorithm);
                    self.at = now;
                }
            }
        }
    }

    /// Changes the limit. Tokens used under the old limit stay used under the new one, rounded up to whole
    /// tokens.
    fn change_limit(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        let used = capacity(self.limit, self.algorithm) - self.parts_at(now);
        let tokens = used.div_ceil(parts_per_token(self.limit));
        *self = Self::full(charge, now);
        self.parts = self.parts.saturating_sub(tokens.saturating_mul(parts_per_token(self.limit)));
    }

    pub(super) fn has(&self, tokens: u64) -> bool {
        self.parts >= u128::from(tokens) * parts_per_token(self.limit)
    }

    pub(super) fn consume(&mut self, tokens: u64) {
        self.parts = self.parts.saturating_sub(u128::from(tokens) * parts_per_token(self.limit));
    }

    pub(super) fn cap(&mut self, tokens: u64) {
        self.parts = self.parts.min(u128::from(tokens) * parts_per_token(self.limit));
    }

    pub(super) fn is_full(&self, now: MonotonicInstant) -> bool {
        self.parts_at(now) == capacity(self.limit, self.algorithm)
    }

    pub(super) fn level(&self, charge: &BucketCharge, cost: u64, now: MonotonicInstant) -> Level {
        let window_left = self.at.plus(self.limit.period).since(now);
        Level::of(charge, self.parts, window_left, cost)
    }

    fn parts_at(&self, now: MonotonicInstant) -> u128 {
        let capacity = capacity(self.limit, self.algorithm);
        let elapsed = now.since(self.at);
        match self.algorithm {
            BucketAlgorithm::TokenBucket => {
                let refilled = u128::from(nanos(elapsed)) * u128::from(self.limit.tokens);
                self.parts.saturating_add(refilled).min(capacity)
            }
            BucketAlgorithm::FixedWindow if elapsed >= self.limit.period => capacity,
            BucketAlgorithm::FixedWindow => self.parts,
        }
    }
}
