//! Debt of a token bucket: the parts that were spent and are not refilled yet. It can exceed the bucket's size after the
//! limit was narrowed.

use std::time::Duration;

use super::SpentTotal;
use crate::limit::level::quotient;
use crate::limit::{Limit, fraction_unit, parts_per_token};
use crate::time::{MonotonicInstant, nanos};

/// Longest time for which a debt is kept: ten years.
const LONGEST: u64 = 315_360_000_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct TokenDebt {
    parts: u128,
    /// Time that `parts` refers to.
    at: MonotonicInstant,
    /// Time at which the debt is settled at the rates that it was made under, so that a narrower limit does not prolong
    /// it. With an unchanged limit, the debt becomes zero at this time.
    settled: MonotonicInstant,
}

impl TokenDebt {
    pub(super) fn of(limit: Limit, total: SpentTotal, now: MonotonicInstant) -> Self {
        let parts = u128::from(total.tokens) * parts_per_token(limit);
        Self { parts, at: now, settled: total.until }
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
        let tokens = u128::from(limit.tokens);
        let nanos = quotient(self.parts.saturating_add(tokens - 1), tokens);
        // Whole microseconds, as a shared counter keeps them.
        let settled = Duration::from_nanos(nanos.min(LONGEST).div_ceil(1_000) * 1_000);
        self.settled = self.settled.max(self.at.plus(settled));
    }

    /// Converts the parts of the debt, rounded up to the fraction that a shared counter keeps.
    pub(super) fn change_limit(&mut self, old: Limit, new: Limit) {
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
