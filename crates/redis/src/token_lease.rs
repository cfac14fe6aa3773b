//! A lease: tokens of a shared bucket that this process took and spends on its own. Sized by use: what was
//! spent in a fifth of a second, so that a busy bucket asks about five times a second and a quiet one keeps
//! next to nothing away from the others.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::{BucketAlgorithm, BucketCharge, Level, Limit, capacity, parts_per_token};
use latchkey_core::time::MonotonicInstant;
use tokio::sync::Mutex;

use crate::wire::{BucketState, LeasedTokens, level};

/// How much use a lease is meant to last for.
const REFILL_HORIZON: Duration = Duration::from_millis(200);
/// The longest that a refusal is repeated without asking again. What comes back meanwhile stays in the
/// bucket, so a busy bucket loses nothing by it, and an overloaded one asks seldom.
const MAX_REFUSAL: Duration = Duration::from_millis(100);
/// A lease is at most so small a share of its bucket.
const MAX_SHARE_DIVISOR: u64 = 8;

/// What is known here of one leased bucket.
pub(crate) struct TokenLease {
    limit: Limit,
    algorithm: BucketAlgorithm,
    held: LeasedTokens,
    /// What the bucket itself held when it was last asked.
    seen: u128,
    /// Until when the tokens may be spent.
    until: MonotonicInstant,
    /// When the bucket's window ends, if it is one.
    ends: MonotonicInstant,
    /// Until when a refusal is repeated, to whom wants as much.
    refused: (MonotonicInstant, u64),
    /// When it was last asked, how much was spent since, and the size it had then.
    asked: MonotonicInstant,
    spent: u64,
    size: u64,
    /// When a token was last spent.
    last: MonotonicInstant,
    /// LeasedTokens by the one call that asks for the next lease.
    pub(crate) refill_lock: Arc<Mutex<()>>,
}

impl TokenLease {
    /// Nothing yet.
    pub(crate) fn none(demand: &BucketCharge, now: MonotonicInstant) -> Self {
        Self {
            limit: demand.limit,
            algorithm: demand.algorithm,
            held: LeasedTokens::default(),
            seen: 0,
            until: MonotonicInstant(0),
            ends: MonotonicInstant(0),
            refused: (MonotonicInstant(0), 0),
            asked: now,
            spent: 0,
            size: 0,
            last: now,
            refill_lock: Arc::default(),
        }
    }

    /// Tokens that may be spent now. What was taken under another limit must be accounted for first.
    pub(crate) fn tokens(&self, demand: &BucketCharge, now: MonotonicInstant) -> Option<u64> {
        let same = (self.limit, self.algorithm) == (demand.limit, demand.algorithm);
        (same && now < self.until).then_some(self.held.left)
    }

    /// What is held, whatever the limit is now: for those who only look.
    pub(crate) fn held(&self, now: MonotonicInstant) -> u64 {
        if now < self.until { self.held.left } else { 0 }
    }

    /// Whether a call for which there are too few tokens here may be refused without asking.
    pub(crate) fn is_refused(&self, cost: u64, now: MonotonicInstant) -> bool {
        now < self.refused.0 && cost >= self.refused.1
    }

    /// Spends tokens that are there.
    pub(crate) fn spend(&mut self, tokens: u64, now: MonotonicInstant) {
        self.held.left = self.held.left.saturating_sub(tokens);
        self.held.used += tokens;
        self.spent += tokens;
        self.last = self.last.max(now);
    }

    /// The bucket's level as far as it is known here: true to within what others took since.
    pub(crate) fn level(&self, demand: &BucketCharge, cost: u64, now: MonotonicInstant) -> Level {
        level(demand, self.seen, (self.held.left, self.ends.since(now)), cost)
    }

    /// Hands the lease over to a question: until its answer there is nothing to spend here.
    pub(crate) fn take_for_refill(
        &mut self,
        demand: &BucketCharge,
        cost: u64,
        now: MonotonicInstant,
    ) -> (LeasedTokens, u64) {
        let passed = u64::try_from(now.since(self.asked).as_micros()).unwrap_or(u64::MAX).max(1);
        let horizon = u64::try_from(REFILL_HORIZON.as_micros()).unwrap_or(u64::MAX);
        let by_use = self.spent.saturating_mul(horizon) / passed;
        let most = capacity(demand.limit, demand.algorithm) / parts_per_token(demand.limit);
        let most = u64::try_from(most).unwrap_or(u64::MAX) / MAX_SHARE_DIVISOR;
        self.size = by_use.min(self.size * 2 + 2).min(most);
        (self.take_all(), self.size.max(cost))
    }

    /// Gives everything up, to account for it.
    pub(crate) fn take_all(&mut self) -> LeasedTokens {
        self.until = MonotonicInstant(0);
        let held = self.held;
        self.held = LeasedTokens::default();
        held
    }

    /// Takes up what a question that was sent at `sent` brought.
    pub(crate) fn apply_refill(
        &mut self,
        demand: &BucketCharge,
        state: &BucketState,
        sent: MonotonicInstant,
    ) {
        (self.limit, self.algorithm) = (demand.limit, demand.algorithm);
        (self.held, self.seen) = (state.lease, state.parts);
        (self.until, self.ends) = (sent.plus(state.life), sent.plus(state.left));
        (self.asked, self.spent) = (sent, 0);
    }

    /// Notes that the question's call passed.
    pub(crate) fn passed(&mut self, cost: u64, now: MonotonicInstant) {
        (self.spent, self.last, self.refused.0) = (cost, now, MonotonicInstant(0));
    }

    /// Whether less was there than was asked for: an overloaded bucket, which is not asked again for each token
    /// that comes back to it.
    pub(crate) fn is_below_target(&self, cost: u64) -> bool {
        self.held.left + cost < self.size
    }

    /// Notes that there was too little for the question's call, or for the next ones.
    pub(crate) fn record_shortage(&mut self, demand: &BucketCharge, cost: u64, sent: MonotonicInstant) {
        let wanted = u128::from(self.size.max(cost));
        let wait = wanted * parts_per_token(demand.limit) / u128::from(demand.limit.tokens);
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).min(MAX_REFUSAL);
        self.refused = (sent.plus(wait), cost);
    }

    /// Whether what is held should go back: nobody spends it, or it soon can't be spent any more.
    pub(crate) fn should_return(&self, now: MonotonicInstant) -> bool {
        let runs_out = self.until.since(now) < 2 * REFILL_HORIZON;
        now < self.until && (runs_out || now.since(self.last) > 2 * REFILL_HORIZON)
    }

    /// Whether nothing is lost by forgetting it.
    pub(crate) fn is_idle(&self, now: MonotonicInstant) -> bool {
        now >= self.until && now >= self.refused.0 && now.since(self.last) > 2 * REFILL_HORIZON
    }
}
