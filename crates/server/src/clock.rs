//! Access to the system's clocks, in one place. Leases and buckets use a clock that cannot be set and that runs on
//! while the process, or the machine, is suspended.

use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

/// Monotonic clock that includes suspended time. On Linux, `CLOCK_MONOTONIC` stops during suspend; on other systems
/// it does not.
#[cfg(target_os = "linux")]
const MONOTONIC: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const MONOTONIC: ClockId = ClockId::Monotonic;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let (wall, monotonic) = (clock_gettime(ClockId::Realtime), clock_gettime(MONOTONIC));
        Moment { wall: Timestamp(millis(wall)), monotonic: MonotonicInstant(nanos(monotonic)) }
    }

    fn monotonic(&self) -> MonotonicInstant {
        MonotonicInstant(nanos(clock_gettime(MONOTONIC)))
    }
}

/// Returns nanoseconds since the epoch, for traces.
pub(crate) fn unix_nanos() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Returns seconds since the epoch, for output to people.
#[must_use]
pub fn unix_seconds() -> i64 {
    SystemClock.now().wall.0.div_euclid(1_000)
}

fn millis(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}

fn nanos(time: Timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(rest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward() {
        let (one, two) = (SystemClock.now(), SystemClock.now());
        assert!(two.monotonic >= one.monotonic && two.wall >= one.wall);
        assert!(one.wall > Timestamp(1_700_000_000_000), "milliseconds since 1970");
    }
}
