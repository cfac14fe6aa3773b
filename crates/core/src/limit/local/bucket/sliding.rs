//! Sliding window: at most so many tokens in any period. Charges are kept in slots of a thirty-second of a period. The
//! tokens of a slot count until a period after the slot's last charge, so that a window never admits more than its limit;
//! a token returns at most one slot late.

use std::collections::VecDeque;
use std::time::Duration;

use super::SpentTotal;
use crate::limit::{Limit, Waits};
use crate::time::{MonotonicInstant, nanos};

/// Slots in one period.
const SLOTS: u64 = 32;
/// Most slots that are kept. The two oldest become one if there are more, which happens after a change of the period.
const MAX_SLOTS: usize = 40;

/// Charges of which the first and the last are at most a slot apart.
#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u64,
    last: u64,
    tokens: u64,
}

#[derive(Clone, Debug)]
pub(super) struct SlidingWindow {
    /// Slots, the oldest first; all times are in nanoseconds.
    slots: VecDeque<Slot>,
    /// Sum of the tokens of all slots.
    tokens: u64,
    /// Longest period of the limits that the charges were made under.
    horizon: u64,
}

impl SlidingWindow {
    /// Returns a window that counts what other accounts have counted. It counts for a whole period, because any part of it
    /// may have been spent just now.
    pub(super) fn of(period: u64, tokens: u64, now: MonotonicInstant) -> Self {
        let slots = (tokens > 0).then_some(Slot { first: now.0, last: now.0, tokens });
        Self { slots: slots.into_iter().collect(), tokens, horizon: period }
    }

    /// Drops the slots that no longer count.
    pub(super) fn advance(&mut self, now: MonotonicInstant) {
        while let Some(oldest) = self.slots.front().filter(|slot| self.ended(slot, now)) {
            self.tokens = self.tokens.saturating_sub(oldest.tokens);
            self.slots.pop_front();
        }
    }

    /// Keeps charges for at least this period from now on.
    pub(super) fn cover(&mut self, period: u64) {
        self.horizon = if self.slots.is_empty() { period } else { self.horizon.max(period) };
    }

    /// Returns the longest period, in nanoseconds, that charges are kept for.
    pub(super) fn horizon(&self) -> u64 {
        self.horizon
    }

    pub(super) fn charge(&mut self, tokens: u64, period: u64, now: MonotonicInstant) {
        self.tokens = self.tokens.saturating_add(tokens);
        let width = (period / 1_000 / SLOTS).max(1) * 1_000;
        match self.slots.back_mut() {
            Some(newest) if now.0.saturating_sub(newest.first) < width => {
                newest.last = newest.last.max(now.0);
                newest.tokens = newest.tokens.saturating_add(tokens);
            }
            Some(_) | None => self.slots.push_back(Slot { first: now.0, last: now.0, tokens }),
        }
        if self.slots.len() > MAX_SLOTS
            && let Some(oldest) = self.slots.pop_front()
            && let Some(second) = self.slots.front_mut()
        {
            second.first = oldest.first;
            second.tokens = second.tokens.saturating_add(oldest.tokens);
        }
    }

    /// Returns the tokens that were spent in the period before `now`.
    pub(super) fn spent(&self, period: u64, now: MonotonicInstant) -> u64 {
        if period == self.horizon {
            return self.tokens;
        }
        let counted = self.slots.iter().rev().take_while(|slot| slot.last.saturating_add(period) > now.0);
        counted.fold(0, |sum, slot| sum.saturating_add(slot.tokens))
    }

    pub(super) fn is_empty(&self, now: MonotonicInstant) -> bool {
        self.slots.back().is_none_or(|slot| self.ended(slot, now))
    }

    pub(super) fn total(&self, now: MonotonicInstant) -> SpentTotal {
        let until = self.slots.back().map_or(now.0, |slot| slot.last.saturating_add(self.horizon));
        SpentTotal { tokens: self.tokens, until: MonotonicInstant(until) }
    }

    /// Returns the times at which the window is empty, and has room for the cost.
    pub(super) fn waits(&self, limit: Limit, cost: u64, now: MonotonicInstant) -> Waits {
        let period = nanos(limit.period);
        let left = |slot: &Slot| Duration::from_nanos(slot.last.saturating_add(period).saturating_sub(now.0));
        let reset = self.slots.back().map_or(Duration::ZERO, left);
        let spent = self.spent(period, now);
        let mut missing = spent.saturating_add(cost).saturating_sub(limit.tokens);
        let mut retry = Duration::ZERO;
        for slot in self.slots.iter().filter(|slot| slot.last.saturating_add(period) > now.0) {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(slot.tokens);
            retry = left(slot);
        }
        Waits { reset, retry }
    }

    fn ended(&self, slot: &Slot, now: MonotonicInstant) -> bool {
        slot.last.saturating_add(self.horizon) <= now.0
    }
}
