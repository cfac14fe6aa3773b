//! One bucket of the process: what it holds, since when, and under which limit. The arithmetic is
//! [`Level`]'s, in whole parts of a token.

use crate::limit::{Algorithm, Demand, Level, Limit, capacity, token};
use crate::time::{Tick, nanos};

/// The state of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    limit: Limit,
    algorithm: Algorithm,
    /// Parts that are there, as of `at`.
    parts: u128,
    /// When `parts` was true; for a window, when it began.
    at: Tick,
}

impl Bucket {
    pub(super) fn full(demand: &Demand, now: Tick) -> Self {
        let Demand { limit, algorithm, .. } = *demand;
        Self { limit, algorithm, parts: capacity(limit, algorithm), at: now }
    }

    /// Brings the bucket up to now, under the limit that holds now.
    pub(super) fn settle(&mut self, demand: &Demand, now: Tick) {
        if (self.limit, self.algorithm) != (demand.limit, demand.algorithm) {
            self.change(demand, now);
        }
        match self.algorithm {
            Algorithm::TokenBucket => {
                self.parts = self.parts_at(now);
                self.at = now;
            }
            Algorithm::FixedWindow => {
                if now.since(self.at) >= self.limit.period {
                    self.parts = capacity(self.limit, self.algorithm);
                    self.at = now;
                }
            }
        }
    }

    /// What was used up under the old limit stays used up under the new one, in whole tokens.
    fn change(&mut self, demand: &Demand, now: Tick) {
        let spent = capacity(self.limit, self.algorithm) - self.parts_at(now);
        let tokens = spent.div_ceil(token(self.limit));
        *self = Self::full(demand, now);
        self.parts = self.parts.saturating_sub(tokens.saturating_mul(token(self.limit)));
    }

    pub(super) fn has(&self, tokens: u64) -> bool {
        self.parts >= u128::from(tokens) * token(self.limit)
    }

    pub(super) fn take(&mut self, tokens: u64) {
        self.parts = self.parts.saturating_sub(u128::from(tokens) * token(self.limit));
    }

    pub(super) fn lower_to(&mut self, tokens: u64) {
        self.parts = self.parts.min(u128::from(tokens) * token(self.limit));
    }

    pub(super) fn is_full(&self, now: Tick) -> bool {
        self.parts_at(now) == capacity(self.limit, self.algorithm)
    }

    pub(super) fn level(&self, demand: &Demand, cost: u64, now: Tick) -> Level {
        let left = self.at.after(self.limit.period).since(now);
        Level::of(demand, self.parts, left, cost)
    }

    fn parts_at(&self, now: Tick) -> u128 {
        let most = capacity(self.limit, self.algorithm);
        let passed = now.since(self.at);
        match self.algorithm {
            Algorithm::TokenBucket => {
                let grown = u128::from(nanos(passed)) * u128::from(self.limit.tokens);
                self.parts.saturating_add(grown).min(most)
            }
            Algorithm::FixedWindow if passed >= self.limit.period => most,
            Algorithm::FixedWindow => self.parts,
        }
    }
}
