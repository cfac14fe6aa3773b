//! Account of a bucket: the tokens that were spent, as one limit counts them.

use std::time::Duration;

use super::SpentTotal;
use super::fixed::FixedWindows;
use super::sliding::SlidingWindow;
use super::token::TokenDebt;
use crate::limit::{BucketAlgorithm, BucketCharge, Level, Limit, Waits, capacity, parts_per_token};
use crate::time::{MonotonicInstant, nanos};

/// An account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Limit of the last call that it counted for.
    limit: Limit,
    spent: SpentTokens,
}

/// Tokens that were spent, as the algorithm counts them.
#[derive(Clone, Debug)]
enum SpentTokens {
    Token(TokenDebt),
    Fixed(FixedWindows),
    Sliding(SlidingWindow),
}

/// Rate of an account, and the largest capacity of the limits that it counted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank {
    tokens: u64,
    /// Period of the rate in nanoseconds.
    period: u64,
    pub(super) capacity: u64,
}

impl Rank {
    /// Returns whether the rate is no higher than another one.
    pub(super) fn is_at_most(self, other: Self) -> bool {
        u128::from(self.tokens) * u128::from(other.period)
            <= u128::from(other.tokens) * u128::from(self.period)
    }
}

impl Account {
    /// Returns the account of a limit that counts nothing.
    pub(super) fn empty(charge: &BucketCharge, now: MonotonicInstant) -> Self {
        Self::of(charge, SpentTotal { tokens: 0, until: now }, now)
    }

    /// Returns the account of a limit, in which a window counts these tokens. A token bucket begins with none.
    pub(super) fn of(charge: &BucketCharge, total: SpentTotal, now: MonotonicInstant) -> Self {
        Self { limit: charge.limit, spent: SpentTokens::of(charge, total, now) }
    }

    /// Returns whether this is the account that counts for a limit. All fixed windows are counted by one, all sliding
    /// windows by one, and token buckets of one rate by one.
    pub(super) fn is_of(&self, charge: &BucketCharge) -> bool {
        let is_token = charge.algorithm == BucketAlgorithm::TokenBucket;
        self.algorithm() == charge.algorithm
            && (!is_token || self.limit == charge.limit || has_rate(self.limit, charge.limit))
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant) {
        match &mut self.spent {
            SpentTokens::Token(debt) => debt.advance(self.limit, now),
            SpentTokens::Fixed(windows) => windows.advance(now),
            SpentTokens::Sliding(window) => window.advance(now),
        }
    }

    /// Applies a limit that this account counts for. Returns whether a token bucket has a larger capacity than before.
    pub(super) fn adopt(&mut self, charge: &BucketCharge, is_alone: bool, now: MonotonicInstant) -> bool {
        let before = std::mem::replace(&mut self.limit, charge.limit);
        match &mut self.spent {
            SpentTokens::Token(debt) => return debt.adopt(before, charge.limit, is_alone),
            SpentTokens::Fixed(windows) => windows.adopt(nanos(charge.limit.period), now),
            SpentTokens::Sliding(window) => window.cover(nanos(charge.limit.period)),
        }
        false
    }

    pub(super) fn has(&self, charge: &BucketCharge, tokens: u64, now: MonotonicInstant) -> bool {
        self.room(charge, now) >= signed(u128::from(tokens) * parts_per_token(self.limit))
    }

    /// Spends tokens of a bucket that has no other account.
    pub(super) fn charge(&mut self, tokens: u64, now: MonotonicInstant) {
        match &mut self.spent {
            SpentTokens::Token(debt) => {
                debt.charge(self.limit, u128::from(tokens) * parts_per_token(self.limit));
            }
            SpentTokens::Fixed(windows) => windows.charge(tokens, now),
            SpentTokens::Sliding(window) => window.charge(tokens, nanos(self.limit.period), now),
        }
    }

    /// Spends tokens of a bucket that has several accounts. A token bucket is raised to `most` tokens at most.
    pub(super) fn charge_up_to(&mut self, tokens: u64, most: u64, is_present: bool, now: MonotonicInstant) {
        match &mut self.spent {
            SpentTokens::Token(debt) => debt.charge_up_to(self.limit, tokens, most),
            SpentTokens::Sliding(window) if !is_present => window.charge(tokens, window.horizon(), now),
            SpentTokens::Fixed(_) | SpentTokens::Sliding(_) => self.charge(tokens, now),
        }
    }

    /// Raises what is spent of a token bucket to at least so many tokens.
    pub(super) fn raise(&mut self, tokens: u64) {
        if let SpentTokens::Token(debt) = &mut self.spent {
            debt.raise(self.limit, tokens);
        }
    }

    /// Counts what another account of a token bucket with a higher rate has counted, which is dropped.
    pub(super) fn absorb(&mut self, dropped: &Self, now: MonotonicInstant) {
        if let SpentTokens::Token(debt) = &mut self.spent {
            debt.absorb(self.limit, dropped.rank().capacity, dropped.total(now).tokens);
        }
    }

    /// Lowers the bucket to at most `tokens` tokens.
    pub(super) fn cap(&mut self, charge: &BucketCharge, tokens: u64, now: MonotonicInstant) {
        let most = signed(u128::from(tokens) * parts_per_token(self.limit));
        let more = self.room(charge, now).saturating_sub(most);
        let Ok(more) = u128::try_from(more) else { return };
        match &mut self.spent {
            SpentTokens::Token(debt) if more > 0 => debt.charge(self.limit, more),
            SpentTokens::Token(_) => {}
            SpentTokens::Fixed(_) | SpentTokens::Sliding(_) => {
                let tokens = u64::try_from(more / parts_per_token(self.limit)).unwrap_or(u64::MAX);
                if tokens > 0 {
                    self.charge(tokens, now);
                }
            }
        }
    }

    pub(super) fn is_full(&self, now: MonotonicInstant) -> bool {
        match &self.spent {
            SpentTokens::Token(debt) => debt.is_settled(self.limit, now),
            SpentTokens::Fixed(windows) => windows.is_empty(now),
            SpentTokens::Sliding(window) => window.is_empty(now),
        }
    }

    pub(super) fn level(&self, charge: &BucketCharge, cost: u64, now: MonotonicInstant) -> Level {
        let same = |wait: Duration| Waits { reset: wait, retry: wait };
        let waits = match &self.spent {
            SpentTokens::Token(debt) => same(debt.settled_after()),
            SpentTokens::Fixed(windows) => same(windows.ends().since(now)),
            SpentTokens::Sliding(window) => window.waits(self.limit, cost, now),
        };
        Level::of(charge, self.room(charge, now), waits, cost)
    }

    /// Returns the parts that may be spent now; below zero if more was spent than the limit allows.
    fn room(&self, charge: &BucketCharge, now: MonotonicInstant) -> i128 {
        let spent = match &self.spent {
            SpentTokens::Token(debt) => debt.parts(),
            SpentTokens::Fixed(windows) => u128::from(windows.used()) * parts_per_token(self.limit),
            SpentTokens::Sliding(window) => {
                u128::from(window.spent(nanos(self.limit.period), now)) * parts_per_token(self.limit)
            }
        };
        signed(capacity(charge.limit, charge.algorithm)).saturating_sub(signed(spent))
    }

    /// Returns all tokens that are spent, rounded up, and the time from which on none of them counts.
    pub(super) fn total(&self, now: MonotonicInstant) -> SpentTotal {
        match &self.spent {
            SpentTokens::Token(debt) => debt.total(self.limit),
            SpentTokens::Fixed(windows) => windows.total(now),
            SpentTokens::Sliding(window) => window.total(now),
        }
    }

    pub(super) fn rank(&self) -> Rank {
        let (tokens, period) = (self.limit.tokens, nanos(self.limit.period));
        match &self.spent {
            SpentTokens::Token(debt) => Rank { tokens, period, capacity: debt.capacity() },
            SpentTokens::Fixed(_) => Rank { tokens, period, capacity: tokens },
            SpentTokens::Sliding(window) => Rank { tokens, period: window.horizon(), capacity: tokens },
        }
    }

    pub(super) fn algorithm(&self) -> BucketAlgorithm {
        match self.spent {
            SpentTokens::Token(_) => BucketAlgorithm::TokenBucket,
            SpentTokens::Fixed(_) => BucketAlgorithm::FixedWindow,
            SpentTokens::Sliding(_) => BucketAlgorithm::SlidingWindow,
        }
    }
}

impl SpentTokens {
    /// Returns the state of a window in which these tokens are spent, or of a token bucket in which none is.
    fn of(charge: &BucketCharge, total: SpentTotal, now: MonotonicInstant) -> Self {
        let total = if total.until > now { total } else { SpentTotal { tokens: 0, until: now } };
        match charge.algorithm {
            BucketAlgorithm::TokenBucket => Self::Token(TokenDebt::none(charge.limit, now)),
            BucketAlgorithm::FixedWindow => {
                Self::Fixed(FixedWindows::of(nanos(charge.limit.period), total, now))
            }
            BucketAlgorithm::SlidingWindow => {
                Self::Sliding(SlidingWindow::of(nanos(charge.limit.period), total.tokens, now))
            }
        }
    }
}

/// Returns whether two limits have one rate, in whatever words.
fn has_rate(one: Limit, other: Limit) -> bool {
    u128::from(one.tokens) * other.period.as_nanos() == u128::from(other.tokens) * one.period.as_nanos()
}

/// Converts parts. No bucket has more than fit, because limits are bounded.
fn signed(parts: u128) -> i128 {
    i128::try_from(parts).unwrap_or(i128::MAX)
}
