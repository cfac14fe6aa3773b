//! State of one bucket in this process: the spent tokens, and the time from which they no longer count. The free room
//! is computed by the limit of each call, so that a change of the limit drops no spent tokens. The arithmetic is that
//! of [`Level`], in whole parts of a token; `charge.lua` of the Redis limiter computes the same.

mod fixed;
mod sliding;
mod token;

use std::time::Duration;

use self::fixed::FixedWindows;
use self::sliding::SlidingWindow;
use self::token::TokenDebt;
use crate::limit::{BucketAlgorithm, BucketCharge, Level, Limit, Waits, capacity, parts_per_token};
use crate::time::{MonotonicInstant, nanos};

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    limit: Limit,
    spent: Spent,
}

/// Tokens that were spent, as the algorithm counts them.
#[derive(Clone, Debug)]
enum Spent {
    Token(TokenDebt),
    Fixed(FixedWindows),
    Sliding(SlidingWindow),
}

/// Whole tokens that are spent, and the time from which on none of them counts.
#[derive(Clone, Copy, Debug)]
struct SpentTotal {
    tokens: u64,
    until: MonotonicInstant,
}

impl Bucket {
    pub(super) fn full(charge: &BucketCharge, now: MonotonicInstant) -> Self {
        let nothing = SpentTotal { tokens: 0, until: now };
        Self { limit: charge.limit, spent: Spent::of(charge, nothing, now) }
    }

    /// Brings the bucket up to `now`, and applies the present limit.
    pub(super) fn refill(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        match &mut self.spent {
            Spent::Token(debt) => debt.advance(self.limit, now),
            Spent::Fixed(windows) => windows.advance(now),
            Spent::Sliding(window) => window.advance(now),
        }
        if self.algorithm() != charge.algorithm {
            self.spent = Spent::of(charge, self.total(now), now);
            self.limit = charge.limit;
        }
        match &mut self.spent {
            Spent::Token(debt) if self.limit != charge.limit => debt.change_limit(self.limit, charge.limit),
            Spent::Token(_) => {}
            Spent::Fixed(windows) => windows.adopt(nanos(charge.limit.period), now),
            Spent::Sliding(window) => window.cover(nanos(charge.limit.period)),
        }
        self.limit = charge.limit;
    }

    pub(super) fn has(&self, charge: &BucketCharge, tokens: u64, now: MonotonicInstant) -> bool {
        self.room(charge, now) >= signed(u128::from(tokens) * parts_per_token(self.limit))
    }

    pub(super) fn consume(&mut self, tokens: u64, now: MonotonicInstant) {
        if tokens == 0 {
            return;
        }
        match &mut self.spent {
            Spent::Token(debt) => debt.charge(self.limit, u128::from(tokens) * parts_per_token(self.limit)),
            Spent::Fixed(windows) => windows.charge(tokens, now),
            Spent::Sliding(window) => window.charge(tokens, nanos(self.limit.period), now),
        }
    }

    /// Lowers the bucket to at most `tokens` tokens.
    pub(super) fn cap(&mut self, charge: &BucketCharge, tokens: u64, now: MonotonicInstant) {
        let most = signed(u128::from(tokens) * parts_per_token(self.limit));
        let more = self.room(charge, now).saturating_sub(most);
        let Ok(more) = u128::try_from(more) else { return };
        match &mut self.spent {
            Spent::Token(debt) if more > 0 => debt.charge(self.limit, more),
            Spent::Token(_) => {}
            Spent::Fixed(_) | Spent::Sliding(_) => {
                let tokens = u64::try_from(more / parts_per_token(self.limit)).unwrap_or(u64::MAX);
                self.consume(tokens, now);
            }
        }
    }

    pub(super) fn is_full(&self, now: MonotonicInstant) -> bool {
        match &self.spent {
            Spent::Token(debt) => debt.is_settled(self.limit, now),
            Spent::Fixed(windows) => windows.is_empty(now),
            Spent::Sliding(window) => window.is_empty(now),
        }
    }

    pub(super) fn level(&self, charge: &BucketCharge, cost: u64, now: MonotonicInstant) -> Level {
        let same = |wait: Duration| Waits { reset: wait, retry: wait };
        let waits = match &self.spent {
            Spent::Token(debt) => same(debt.settled_after()),
            Spent::Fixed(windows) => same(windows.ends().since(now)),
            Spent::Sliding(window) => window.waits(self.limit, cost, now),
        };
        Level::of(charge, self.room(charge, now), waits, cost)
    }

    /// Returns the parts that may be spent now; below zero if more was spent than the limit allows.
    fn room(&self, charge: &BucketCharge, now: MonotonicInstant) -> i128 {
        let spent = match &self.spent {
            Spent::Token(debt) => debt.parts(),
            Spent::Fixed(windows) => u128::from(windows.used()) * parts_per_token(self.limit),
            Spent::Sliding(window) => {
                u128::from(window.spent(nanos(self.limit.period), now)) * parts_per_token(self.limit)
            }
        };
        signed(capacity(charge.limit, charge.algorithm)).saturating_sub(signed(spent))
    }

    fn total(&self, now: MonotonicInstant) -> SpentTotal {
        match &self.spent {
            Spent::Token(debt) => debt.total(self.limit),
            Spent::Fixed(windows) => windows.total(now),
            Spent::Sliding(window) => window.total(now),
        }
    }

    fn algorithm(&self) -> BucketAlgorithm {
        match self.spent {
            Spent::Token(_) => BucketAlgorithm::TokenBucket,
            Spent::Fixed(_) => BucketAlgorithm::FixedWindow,
            Spent::Sliding(_) => BucketAlgorithm::SlidingWindow,
        }
    }
}

impl Spent {
    /// Returns the state of a bucket in which these tokens are spent.
    fn of(charge: &BucketCharge, total: SpentTotal, now: MonotonicInstant) -> Self {
        let total = if total.until > now { total } else { SpentTotal { tokens: 0, until: now } };
        match charge.algorithm {
            BucketAlgorithm::TokenBucket => Self::Token(TokenDebt::of(charge.limit, total, now)),
            BucketAlgorithm::FixedWindow => {
                Self::Fixed(FixedWindows::of(nanos(charge.limit.period), total, now))
            }
            BucketAlgorithm::SlidingWindow => {
                Self::Sliding(SlidingWindow::of(nanos(charge.limit.period), total, now))
            }
        }
    }
}

/// Converts parts. No bucket has more than fit, because limits are bounded.
fn signed(parts: u128) -> i128 {
    i128::try_from(parts).unwrap_or(i128::MAX)
}
