//! A token lease: tokens of a shared bucket that this process has taken and spends on its own. Its size follows
//! the use of the last 200 ms, so that a busy bucket causes about five requests a second, and a quiet one
//! withholds almost nothing from other processes.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::{BucketAlgorithm, BucketCharge, Level, Limit, Waits, parts_per_token, size};
use latchkey_core::time::MonotonicInstant;
use tokio::sync::Mutex;

use crate::wire::{BucketState, LeasedTokens, level};

/// Duration of use that a lease is sized for.
const REFILL_HORIZON: Duration = Duration::from_millis(200);
/// Longest time that a denial is repeated without a request. Tokens that refill meanwhile stay in the bucket,
/// so that a busy bucket loses none and an overloaded one causes few requests.
const MAX_REFUSAL: Duration = Duration::from_millis(100);
/// Divisor of the bucket's size: a lease takes at most this fraction.
const MAX_SHARE_DIVISOR: u64 = 8;

/// Local state of one leased bucket.
pub(crate) struct TokenLease {
    limit: Limit,
    algorithm: BucketAlgorithm,
    held: LeasedTokens,
    /// Level of the bucket itself at the last request.
    seen: i128,
    /// Expiry of the leased tokens.
    until: MonotonicInstant,
    /// Times at which the bucket is full, and has room for the last request's call; see [`Waits`].
    full_at: MonotonicInstant,
    room_at: MonotonicInstant,
    /// Time until which a denial is repeated, for calls that cost at least the given number of tokens.
    refused: (MonotonicInstant, u64),
    /// Time of the last request; the tokens spent since, and the size of the lease then, follow.
    asked: MonotonicInstant,
    spent: u64,
    size: u64,
    /// Time at which a token was last spent.
    last: MonotonicInstant,
    /// Lock held by the one call that requests the next lease.
    pub(crate) refill_lock: Arc<Mutex<()>>,
}

impl TokenLease {
    /// Returns the state before the first request.
    pub(crate) fn none(demand: &BucketCharge, now: MonotonicInstant) -> Self {
        Self {
            limit: demand.limit,
            algorithm: demand.algorithm,
            held: LeasedTokens::default(),
            seen: 0,
            until: MonotonicInstant(0),
            full_at: MonotonicInstant(0),
            room_at: MonotonicInstant(0),
            refused: (MonotonicInstant(0), 0),
            asked: now,
            spent: 0,
            size: 0,
            last: now,
            refill_lock: Arc::default(),
        }
    }

    /// Returns the tokens that may be spent now; `None` if they were taken under another limit and must be
    /// accounted for first.
    pub(crate) fn tokens(&self, demand: &BucketCharge, now: MonotonicInstant) -> Option<u64> {
        let same = (self.limit, self.algorithm) == (demand.limit, demand.algorithm);
        (same && now < self.until).then_some(self.held.left)
    }

    /// Returns the leased tokens regardless of the current limit, for calls that only inspect.
    pub(crate) fn held(&self, now: MonotonicInstant) -> u64 {
        if now < self.until { self.held.left } else { 0 }
    }

    /// Returns whether a call with too few local tokens may be denied without a request.
    pub(crate) fn is_refused(&self, cost: u64, now: MonotonicInstant) -> bool {
        now < self.refused.0 && cost >= self.refused.1
    }

    /// Spends leased tokens.
    pub(crate) fn spend(&mut self, tokens: u64, now: MonotonicInstant) {
        self.held.left = self.held.left.saturating_sub(tokens);
        self.held.used += tokens;
        self.spent += tokens;
        self.last = self.last.max(now);
    }

    /// Returns the bucket's level as known here; other processes may have taken tokens since.
    pub(crate) fn level(&self, demand: &BucketCharge, cost: u64, now: MonotonicInstant) -> Level {
        // A denial is repeated without a request, also if a window has room again meanwhile.
        let passes_at = if self.held.left < cost { self.room_at.max(self.refused.0) } else { self.room_at };
        let waits = Waits { reset: self.full_at.since(now), retry: passes_at.since(now) };
        level(demand, self.seen, self.held.left, waits, cost)
    }

    /// Hands the lease over to a request. Until the response arrives, no tokens can be spent here.
    pub(crate) fn take_for_refill(
        &mut self,
        demand: &BucketCharge,
        cost: u64,
        now: MonotonicInstant,
    ) -> (LeasedTokens, u64) {
        let passed = u64::try_from(now.since(self.asked).as_micros()).unwrap_or(u64::MAX).max(1);
        let horizon = u64::try_from(REFILL_HORIZON.as_micros()).unwrap_or(u64::MAX);
        let by_use = self.spent.saturating_mul(horizon) / passed;
        let most = size(demand.limit, demand.algorithm) / MAX_SHARE_DIVISOR;
        self.size = by_use.min(self.size * 2 + 2).min(most);
        (self.take_all(), self.size.max(cost))
    }

    /// Hands over all leased tokens, to account for them.
    pub(crate) fn take_all(&mut self) -> LeasedTokens {
        self.until = MonotonicInstant(0);
        let held = self.held;
        self.held = LeasedTokens::default();
        held
    }

    /// Applies the response to a request that was sent at `sent`.
    pub(crate) fn apply_refill(
        &mut self,
        demand: &BucketCharge,
        state: &BucketState,
        sent: MonotonicInstant,
    ) {
        (self.limit, self.algorithm) = (demand.limit, demand.algorithm);
        (self.held, self.seen) = (state.lease, state.parts);
        self.until = sent.plus(state.life);
        (self.full_at, self.room_at) = (sent.plus(state.waits.reset), sent.plus(state.waits.retry));
        (self.asked, self.spent) = (sent, 0);
    }

    /// Records that the request's call was admitted.
    pub(crate) fn passed(&mut self, cost: u64, now: MonotonicInstant) {
        (self.spent, self.last, self.refused.0) = (cost, now, MonotonicInstant(0));
    }

    /// Returns whether the bucket granted less than requested: it is overloaded, and no request is sent for
    /// each token that refills.
    pub(crate) fn is_below_target(&self, cost: u64) -> bool {
        self.held.left + cost < self.size
    }

    /// Records a shortage of tokens for the request's call or for the next ones.
    pub(crate) fn record_shortage(&mut self, demand: &BucketCharge, cost: u64, sent: MonotonicInstant) {
        let wanted = u128::from(self.size.max(cost));
        let wait = wanted * parts_per_token(demand.limit) / u128::from(demand.limit.tokens);
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).min(MAX_REFUSAL);
        self.refused = (sent.plus(wait), cost);
    }

    /// Returns whether the leased tokens should be returned: they are unused or about to expire.
    pub(crate) fn should_return(&self, now: MonotonicInstant) -> bool {
        let runs_out = self.until.since(now) < 2 * REFILL_HORIZON;
        now < self.until && (runs_out || now.since(self.last) > 2 * REFILL_HORIZON)
    }

    /// Returns whether this state can be dropped without losing tokens.
    pub(crate) fn is_idle(&self, now: MonotonicInstant) -> bool {
        now >= self.until && now >= self.refused.0 && now.since(self.last) > 2 * REFILL_HORIZON
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::limit::{BucketId, BucketOwner, ChargeCondition, CountingMode, RuleId};

    use super::*;

    #[test]
    fn a_denial_that_is_repeated_names_a_time_to_wait() {
        let (per, when) = (BucketOwner::Key, ChargeCondition::Allowed);
        let demand = BucketCharge {
            bucket: BucketId { per, when, subject: 1, class_hash: 1, rule: RuleId(0) },
            limit: Limit { tokens: 200, period: Duration::from_secs(1), burst: None },
            algorithm: BucketAlgorithm::SlidingWindow,
            mode: CountingMode::Leased,
            shard_key: 1,
        };
        let at = |millis: u64| MonotonicInstant(millis * 1_000_000);
        let waits = Waits { reset: Duration::from_secs(1), retry: Duration::from_millis(10) };
        let lease = LeasedTokens::default();
        let state = BucketState { parts: 0, waits, lease, life: Duration::from_secs(2), at: 0 };
        let mut lease = TokenLease::none(&demand, at(1_000));
        lease.apply_refill(&demand, &state, at(1_000));
        lease.record_shortage(&demand, 30, at(1_000));
        assert!(lease.is_refused(30, at(1_050)));
        let level = lease.level(&demand, 30, at(1_050));
        assert_eq!(level.retry_after, Some(Duration::from_millis(50)));
    }
}
