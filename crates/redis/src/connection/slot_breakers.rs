//! Breakers for the parts of a cluster: a node that hangs costs a few calls of its own tenants, and none of
//! others. Each breaker covers 256 adjacent slots. Three misses in a row open it for a second, after which one
//! call tries again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crc16::{State, XMODEM};
use latchkey_core::time::MonotonicInstant;

/// Misses in a row after which Redis is no longer used.
pub(crate) const MAX_MISSES: u32 = 3;
/// Time that a breaker stays open until one call tries again.
const BLOCKED_FOR: Duration = Duration::from_secs(1);
const SLOTS: u16 = 16_384;
pub(crate) const RANGES: usize = 64;

#[derive(Default)]
struct SlotBreaker {
    misses: AtomicU32,
    blocked_until: AtomicU64,
}

/// All breakers of a cluster, and the number of those that are open.
pub(crate) struct SlotBreakers([SlotBreaker; RANGES], AtomicU32);

/// Change that a call's outcome makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerChange {
    /// No change that concerns the cluster.
    None,
    /// The first breaker of the cluster has opened.
    FirstOpened,
    /// The last open breaker of the cluster has closed.
    LastClosed,
}

/// Index of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotRange(usize);

impl SlotRange {
    /// Returns the range that contains the slot of this tag.
    pub(crate) fn of(tag: &str) -> Self {
        let slot = State::<XMODEM>::calculate(tag.as_bytes()) % SLOTS;
        Self(usize::from(slot) * RANGES / usize::from(SLOTS))
    }

    /// Returns the position among all ranges.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

impl SlotBreakers {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| SlotBreaker::default()), AtomicU32::new(0))
    }

    /// Returns whether a call may use Redis now. When the breaker's time has ended, only one call may.
    pub(crate) fn allows(&self, range: SlotRange, now: MonotonicInstant) -> bool {
        let breaker = &self.0[range.0];
        if breaker.misses.load(Ordering::Relaxed) < MAX_MISSES {
            return true;
        }
        let until = breaker.blocked_until.load(Ordering::Relaxed);
        let next = now.plus(BLOCKED_FOR).0;
        let (order, other) = (Ordering::Relaxed, Ordering::Relaxed);
        now.0 >= until && breaker.blocked_until.compare_exchange(until, next, order, other).is_ok()
    }

    /// Records the outcome of a call.
    pub(crate) fn record(&self, range: SlotRange, answered: bool, now: MonotonicInstant) -> BreakerChange {
        let breaker = &self.0[range.0];
        if answered {
            let open = breaker.misses.swap(0, Ordering::Relaxed) >= MAX_MISSES;
            let last = open && self.1.fetch_sub(1, Ordering::Relaxed) == 1;
            return if last { BreakerChange::LastClosed } else { BreakerChange::None };
        }
        breaker.blocked_until.store(now.plus(BLOCKED_FOR).0, Ordering::Relaxed);
        let opened = breaker.misses.fetch_add(1, Ordering::Relaxed) + 1 == MAX_MISSES;
        let first = opened && self.1.fetch_add(1, Ordering::Relaxed) == 0;
        if first { BreakerChange::FirstOpened } else { BreakerChange::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_a_cluster() {
        // 12739 is the slot of "123456789" in Redis's own documentation.
        assert_eq!(State::<XMODEM>::calculate(b"123456789") % SLOTS, 12_739);
        assert_eq!(SlotRange::of("123456789"), SlotRange(12_739 / 256));
    }

    #[test]
    fn three_failures_open_a_breaker_until_one_trial_succeeds() {
        let (breakers, here, there) = (SlotBreakers::new(), SlotRange(1), SlotRange(2));
        let at = |millis| MonotonicInstant(0).plus(Duration::from_millis(millis));
        let record = |range, answered, millis| breakers.record(range, answered, at(millis));
        assert_eq!([record(here, false, 0), record(here, false, 1)], [BreakerChange::None; 2]);
        assert!(breakers.allows(here, at(2)));
        assert_eq!(record(here, false, 2), BreakerChange::FirstOpened, "the third miss opens it");
        assert_eq!([0, 1, 2].map(|_| record(there, false, 2)), [BreakerChange::None; 3], "said once");
        assert_eq!(record(there, true, 3), BreakerChange::None, "the other one is still open");
        assert!(!breakers.allows(here, at(500)) && breakers.allows(there, at(500)));
        assert!(breakers.allows(here, at(1_002)), "one call tries again");
        assert!(!breakers.allows(here, at(1_003)), "only one call tries again");
        assert_eq!(record(here, true, 1_004), BreakerChange::LastClosed);
        assert!(breakers.allows(here, at(1_005)));
    }
}
