//! One bucket of the process: what it holds, since when, and under which limit. The arithmetic is
//! [`Level`]'s, in whole parts of a token.

use crate::limit::{BucketAlgorithm, BucketCharge, Level, Limit, capacity, parts_per_token};
use crate::time::{MonotonicInstant, nanos};

/// The state of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    limit: Limit,
    algorithm: BucketAlgorithm,
    /// Parts that are there, as of `at`.
    parts: u128,
    /// When `parts` was true; for a window, when it began.
    at: MonotonicInstant,
}

impl Bucket {
    pub(super) fn full(charge: &BucketCharge, now: MonotonicInstant) -> Self {
        let BucketCharge { limit, algorithm, .. } = *charge;
        Self { limit, algorithm, parts: capacity(limit, algorithm), at: now }
    }

    /// Brings the bucket up to now, under the limit that holds now.
    pub(super) fn refill(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        if (self.limit, self.algorithm) != (charge.limit, charge.algorithm) {
            self.change(charge, now);
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

    /// What was used up under the old limit stays used up under the new one, in whole tokens.
    fn change(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        let spent = capacity(self.limit, self.algorithm) - self.parts_at(now);
        let tokens = spent.div_ceil(parts_per_token(self.limit));
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
        let left = self.at.plus(self.limit.period).since(now);
        Level::of(charge, self.parts, left, cost)
    }

    fn parts_at(&self, now: MonotonicInstant) -> u128 {
        let most = capacity(self.limit, self.algorithm);
        let passed = now.since(self.at);
        match self.algorithm {
            BucketAlgorithm::TokenBucket => {
                let grown = u128::from(nanos(passed)) * u128::from(self.limit.tokens);
                self.parts.saturating_add(grown).min(most)
            }
            BucketAlgorithm::FixedWindow if passed >= self.limit.period => most,
            BucketAlgorithm::FixedWindow => self.parts,
        }
    }
}
