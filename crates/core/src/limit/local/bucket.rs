//! One bucket. Tokens are counted in whole parts (a token is as many parts as its period has nanoseconds,
//! and each nanosecond brings as many parts as the period brings tokens), so that nothing is ever rounded away.

use std::time::Duration;

use crate::limit::{Algorithm, Demand, Level, Limit};
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

    pub(super) fn is_full(&self, now: Tick) -> bool {
        self.parts_at(now) == capacity(self.limit, self.algorithm)
    }

    pub(super) fn level(&self, demand: &Demand, cost: u64, now: Tick) -> Level {
        let most = capacity(self.limit, self.algorithm);
        let short = (u128::from(cost) * token(self.limit)).saturating_sub(self.parts);
        Level {
            bucket: demand.bucket,
            limit: u64::try_from(most / token(self.limit)).unwrap_or(u64::MAX),
            remaining: u64::try_from(self.parts / token(self.limit)).unwrap_or(u64::MAX),
            reset: self.until(most - self.parts, now),
            retry: self.until(short, now),
        }
    }

    /// How long it takes until this many parts more are there.
    fn until(&self, parts: u128, now: Tick) -> Duration {
        if parts == 0 {
            return Duration::ZERO;
        }
        match self.algorithm {
            Algorithm::TokenBucket => {
                let wait = parts.div_ceil(u128::from(self.limit.tokens));
                Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
            }
            Algorithm::FixedWindow => self.at.after(self.limit.period).since(now),
        }
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

fn token(limit: Limit) -> u128 {
    u128::from(nanos(limit.period))
}

/// A window holds the rate's count; a burst is a token bucket's alone.
fn capacity(limit: Limit, algorithm: Algorithm) -> u128 {
    let tokens = match algorithm {
        Algorithm::TokenBucket => limit.burst,
        Algorithm::FixedWindow => limit.tokens,
    };
    u128::from(tokens) * token(limit)
}
