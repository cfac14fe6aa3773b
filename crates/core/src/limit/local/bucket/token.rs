//! Debt of a token bucket at one rate: the parts that were spent and are not refilled yet. It can exceed the bucket's size
//! after the burst was lowered.

use std::time::Duration;

use super::SpentTotal;
use crate::limit::level::quotient;
use crate::limit::{BucketAlgorithm, Limit, fraction_unit, parts_per_token, size};
use crate::time::{MonotonicInstant, nanos};

/// Longest time for which a debt is kept: ten years.
const LONGEST: u64 = 315_360_000_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct TokenDebt {
    parts: u128,
    /// Time that `parts` refers to.
    at: MonotonicInstant,
    /// Time at which the debt becomes zero.
    settled: MonotonicInstant,
    /// The largest capacity of the limits that it was made under.
    capacity: u64,
}

impl TokenDebt {
    /// Returns the debt of a bucket of which nothing is spent.
    pub(super) fn none(limit: Limit, now: MonotonicInstant) -> Self {
        Self { parts: 0, at: now, settled: now, capacity: size(limit, BucketAlgorithm::TokenBucket) }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn parts(&self) -> u128 {
        self.parts
    }

    pub(super) fn advance(&mut self, limit: Limit, now: MonotonicInstant) {
        if now < self.at {
            return;
        }
        self.parts = self.parts_at(limit, now);
        self.at = now;
        if self.parts == 0 {
            self.settled = now;
        }
    }

    pub(super) fn charge(&mut self, limit: Limit, parts: u128) {
        self.parts = self.parts.saturating_add(parts);
        self.prolong(limit);
    }

    /// Charges tokens, and raises the debt to `most` tokens at most.
    pub(super) fn charge_up_to(&mut self, limit: Limit, tokens: u64, most: u64) {
        if self.total(limit).tokens.saturating_add(tokens) <= most {
            self.charge(limit, u128::from(tokens) * parts_per_token(limit));
        } else {
            self.raise(limit, most);
        }
    }

    /// Raises the debt to at least so many tokens.
    pub(super) fn raise(&mut self, limit: Limit, tokens: u64) {
        if tokens > self.total(limit).tokens {
            self.parts = u128::from(tokens) * parts_per_token(limit);
            self.prolong(limit);
        }
    }

    /// Counts the tokens of another bucket with this capacity as well.
    pub(super) fn absorb(&mut self, limit: Limit, capacity: u64, tokens: u64) {
        self.capacity = self.capacity.max(capacity);
        self.raise(limit, tokens);
    }

    /// Moves the time at which the debt is settled, as far as the rate needs.
    fn prolong(&mut self, limit: Limit) {
        let tokens = u128::from(limit.tokens);
        let nanos = quotient(self.parts.saturating_add(tokens - 1), tokens);
        // Whole microseconds, as a shared counter keeps them.
        let settled = Duration::from_nanos(nanos.min(LONGEST).div_ceil(1_000) * 1_000);
        self.settled = self.settled.max(self.at.plus(settled));
    }

    /// Applies a limit with the same rate. Returns whether its capacity is larger than that of all limits before, which are
    /// forgotten when nothing is spent and the bucket has no other account.
    pub(super) fn adopt(&mut self, old: Limit, new: Limit, is_alone: bool) -> bool {
        if old.period != new.period {
            self.convert(old, new);
        }
        let capacity = size(new, BucketAlgorithm::TokenBucket);
        if self.parts == 0 && is_alone {
            self.capacity = capacity;
        }
        let is_larger = capacity > self.capacity;
        self.capacity = self.capacity.max(capacity);
        is_larger
    }

    /// Converts the parts of the debt, rounded up to the fraction that a shared counter keeps.
    fn convert(&mut self, old: Limit, new: Limit) {
        let (from, to, unit) = (parts_per_token(old), parts_per_token(new), fraction_unit(new));
        let (whole, fraction) = (self.parts / from, self.parts % from);
        self.parts = (whole * to).saturating_add((fraction * (to / unit)).div_ceil(from) * unit);
    }

    pub(super) fn is_settled(&self, limit: Limit, now: MonotonicInstant) -> bool {
        self.parts_at(limit, now) == 0
    }

    pub(super) fn settled_after(&self) -> Duration {
        self.settled.since(self.at)
    }

    pub(super) fn total(&self, limit: Limit) -> SpentTotal {
        let tokens = u64::try_from(self.parts.div_ceil(parts_per_token(limit))).unwrap_or(u64::MAX);
        SpentTotal { tokens, until: self.settled }
    }

    fn parts_at(&self, limit: Limit, now: MonotonicInstant) -> u128 {
        if now >= self.settled {
            return 0;
        }
        let refilled = u128::from(nanos(now.since(self.at))) * u128::from(limit.tokens);
        self.parts.saturating_sub(refilled)
    }
}
