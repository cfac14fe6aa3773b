//! Compares the clock of Redis with those of this process. A bucket fills by the clock of Redis, so a step ahead
//! fills it too early. The script cannot notice that; a process can, because it has a monotonic clock. Nodes of a
//! cluster have clocks of their own, so each range of slots is compared by itself.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use latchkey_core::time::{Moment, MonotonicInstant};

use super::slot_breakers::{RANGES, SlotRange};

/// Smallest step, in microseconds, that is noticed.
const STEP: i64 = 1_000_000;
const UNKNOWN: i64 = i64::MIN;

struct RangeClock {
    /// Time of Redis minus the monotonic time, in microseconds; a lower bound.
    base: AtomicI64,
    /// Time of Redis minus the wall time, in microseconds.
    offset: AtomicI64,
    /// Monotonic time in nanoseconds of the last step ahead; 0 if there was none.
    stepped: AtomicU64,
}

/// Observed clocks of one server, or of all ranges of a cluster.
pub(crate) struct ClockWatch([RangeClock; RANGES]);

impl ClockWatch {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| RangeClock {
            base: AtomicI64::new(UNKNOWN),
            offset: AtomicI64::new(UNKNOWN),
            stepped: AtomicU64::new(0),
        }))
    }

    /// Records the time in a response that arrived at `now`.
    pub(crate) fn observe(&self, range: Option<SlotRange>, time: i64, now: Moment) {
        let clock = &self.0[range.unwrap_or_default().index()];
        let base = time - i64::try_from(now.monotonic.0 / 1_000).unwrap_or(i64::MAX);
        let before = clock.base.swap(base, Ordering::Relaxed);
        if before != UNKNOWN && base.saturating_sub(before) > STEP {
            clock.stepped.store(now.monotonic.0, Ordering::Relaxed);
        }
        clock.offset.store(time.saturating_sub(now.wall.0.saturating_mul(1_000)), Ordering::Relaxed);
    }

    /// Returns whether the clock was put ahead within the given time before `now`.
    pub(crate) fn stepped_within(
        &self,
        range: Option<SlotRange>,
        time: Duration,
        now: MonotonicInstant,
    ) -> bool {
        match self.0[range.unwrap_or_default().index()].stepped.load(Ordering::Relaxed) {
            0 => false,
            at => now.since(MonotonicInstant(at)) < time,
        }
    }

    /// Returns the largest difference from the wall clock in microseconds, positive if Redis is ahead; `None`
    /// before the first response.
    pub(crate) fn offset(&self) -> Option<i64> {
        let offsets = self.0.iter().map(|clock| clock.offset.load(Ordering::Relaxed));
        offsets.filter(|offset| *offset != UNKNOWN).max_by_key(|offset| offset.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_core::time::Timestamp;

    #[test]
    fn a_step_ahead_is_noticed_and_a_step_back_is_not() {
        let watch = ClockWatch::new();
        let at = |millis: u64| Moment {
            wall: Timestamp(i64::try_from(millis).unwrap()),
            monotonic: MonotonicInstant(millis * 1_000_000),
        };
        let stepped = |millis| watch.stepped_within(None, Duration::from_secs(60), at(millis).monotonic);
        assert_eq!(watch.offset(), None);
        watch.observe(None, 5_000_000, at(5_020));
        watch.observe(None, 6_000_000, at(6_000));
        watch.observe(None, 2_000_000, at(7_000));
        assert!(!stepped(7_000), "a step back fills nothing");
        watch.observe(None, 12_500_000, at(8_000));
        assert!(stepped(8_000) && stepped(67_000) && !stepped(68_000));
        assert_eq!(watch.offset(), Some(4_500_000));
    }
}
