//! A batch: tokens of a shared bucket that this process took and spends on its own. Sized by use: what was
//! spent in a fifth of a second, so that a busy bucket asks about five times a second and a quiet one keeps
//! next to nothing away from the others.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::limit::{Algorithm, Demand, Level, Limit, capacity, token};
use latchkey_core::time::Tick;
use tokio::sync::Mutex;

use crate::wire::{Held, State, level};

/// How much use a batch is meant to last for.
const HORIZON: Duration = Duration::from_millis(200);
/// The longest that a refusal is repeated without asking again. What comes back meanwhile stays in the
/// bucket, so a busy bucket loses nothing by it, and an overloaded one asks seldom.
const PAUSE: Duration = Duration::from_millis(100);
/// A batch is at most so small a share of its bucket.
const SHARE: u64 = 8;

/// What is known here of one leased bucket.
pub(crate) struct Batch {
    limit: Limit,
    algorithm: Algorithm,
    held: Held,
    /// What the bucket itself held when it was last asked.
    seen: u128,
    /// Until when the tokens may be spent.
    until: Tick,
    /// When the bucket's window ends, if it is one.
    ends: Tick,
    /// Until when a refusal is repeated, to whom wants as much.
    refused: (Tick, u64),
    /// When it was last asked, how much was spent since, and the size it had then.
    asked: Tick,
    spent: u64,
    size: u64,
    /// When a token was last spent.
    last: Tick,
    /// Held by the one call that asks for the next batch.
    pub(crate) turn: Arc<Mutex<()>>,
}

impl Batch {
    /// Nothing yet.
    pub(crate) fn none(demand: &Demand, now: Tick) -> Self {
        Self {
            limit: demand.limit,
            algorithm: demand.algorithm,
            held: Held::default(),
            seen: 0,
            until: Tick(0),
            ends: Tick(0),
            refused: (Tick(0), 0),
            asked: now,
            spent: 0,
            size: 0,
            last: now,
            turn: Arc::default(),
        }
    }

    /// Tokens that may be spent now. What was taken under another limit must be accounted for first.
    pub(crate) fn tokens(&self, demand: &Demand, now: Tick) -> Option<u64> {
        let same = (self.limit, self.algorithm) == (demand.limit, demand.algorithm);
        (same && now < self.until).then_some(self.held.left)
    }

    /// What is held, whatever the limit is now: for those who only look.
    pub(crate) fn held(&self, now: Tick) -> u64 {
        if now < self.until { self.held.left } else { 0 }
    }

    /// Whether a call for which there are too few tokens here may be refused without asking.
    pub(crate) fn is_refused(&self, cost: u64, now: Tick) -> bool {
        now < self.refused.0 && cost >= self.refused.1
    }

    /// Spends tokens that are there.
    pub(crate) fn spend(&mut self, tokens: u64, now: Tick) {
        self.held.left = self.held.left.saturating_sub(tokens);
        self.held.used += tokens;
        self.spent += tokens;
        self.last = self.last.max(now);
    }

    /// The bucket's level as far as it is known here: true to within what others took since.
    pub(crate) fn level(&self, demand: &Demand, cost: u64, now: Tick) -> Level {
        level(demand, self.seen, (self.held.left, self.ends.since(now)), cost)
    }

    /// Hands the batch over to a question: until its answer there is nothing to spend here.
    pub(crate) fn hand_over(&mut self, demand: &Demand, cost: u64, now: Tick) -> (Held, u64) {
        let passed = u64::try_from(now.since(self.asked).as_micros()).unwrap_or(u64::MAX).max(1);
        let horizon = u64::try_from(HORIZON.as_micros()).unwrap_or(u64::MAX);
        let by_use = self.spent.saturating_mul(horizon) / passed;
        let most = capacity(demand.limit, demand.algorithm) / token(demand.limit);
        let most = u64::try_from(most).unwrap_or(u64::MAX) / SHARE;
        self.size = by_use.min(self.size * 2 + 2).min(most);
        (self.surrender(), self.size.max(cost))
    }

    /// Gives everything up, to account for it.
    pub(crate) fn surrender(&mut self) -> Held {
        self.until = Tick(0);
        let held = self.held;
        self.held = Held::default();
        held
    }

    /// Takes up what a question that was sent at `sent` brought.
    pub(crate) fn take_up(&mut self, demand: &Demand, state: &State, sent: Tick) {
        (self.limit, self.algorithm) = (demand.limit, demand.algorithm);
        (self.held, self.seen) = (state.batch, state.parts);
        (self.until, self.ends) = (sent.after(state.life), sent.after(state.left));
        (self.asked, self.spent) = (sent, 0);
    }

    /// Notes that the question's call passed.
    pub(crate) fn passed(&mut self, cost: u64, now: Tick) {
        (self.spent, self.last, self.refused.0) = (cost, now, Tick(0));
    }

    /// Whether less was there than was asked for: an overloaded bucket, which is not asked again for each token
    /// that comes back to it.
    pub(crate) fn is_short(&self, cost: u64) -> bool {
        self.held.left + cost < self.size
    }

    /// Notes that there was too little for the question's call, or for the next ones.
    pub(crate) fn fell_short(&mut self, demand: &Demand, cost: u64, sent: Tick) {
        let wanted = u128::from(self.size.max(cost));
        let wait = wanted * token(demand.limit) / u128::from(demand.limit.tokens);
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).min(PAUSE);
        self.refused = (sent.after(wait), cost);
    }

    /// Whether what is held should go back: nobody spends it, or it soon can't be spent any more.
    pub(crate) fn should_go_back(&self, now: Tick) -> bool {
        let runs_out = self.until.since(now) < 2 * HORIZON;
        now < self.until && (runs_out || now.since(self.last) > 2 * HORIZON)
    }

    /// Whether nothing is lost by forgetting it.
    pub(crate) fn is_over(&self, now: Tick) -> bool {
        now >= self.until && now >= self.refused.0 && now.since(self.last) > 2 * HORIZON
    }
}
