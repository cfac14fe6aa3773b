//! A breaker for each part of a cluster: a node that hangs costs the tenants that lie on it a few calls, and the
//! others none. Behind a door are 256 neighbouring slots; three misses in a row shut it for a second, after which
//! one call tries again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crc16::{State, XMODEM};
use latchkey_core::time::Tick;

/// Misses in a row after which Redis isn't asked any more.
pub(crate) const MISSES: u32 = 3;
/// How long a door stays shut until one call tries again.
const SHUT: Duration = Duration::from_secs(1);
const SLOTS: u16 = 16_384;
const DOORS: usize = 64;

#[derive(Default)]
struct Door {
    misses: AtomicU32,
    shut_until: AtomicU64,
}

/// Every door of a cluster.
pub(crate) struct Doors([Door; DOORS]);

/// Which door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Place {
    /// Of the buckets with this tag.
    pub(crate) fn of(tag: &str) -> Self {
        let slot = State::<XMODEM>::calculate(tag.as_bytes()) % SLOTS;
        Self(usize::from(slot) * DOORS / usize::from(SLOTS))
    }
}

impl Doors {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Door::default()))
    }

    /// Whether a call may go through now. Of those who come when its time is over, one may.
    pub(crate) fn is_open(&self, place: Place, now: Tick) -> bool {
        let door = &self.0[place.0];
        if door.misses.load(Ordering::Relaxed) < MISSES {
            return true;
        }
        let until = door.shut_until.load(Ordering::Relaxed);
        let next = now.after(SHUT).0;
        let (order, other) = (Ordering::Relaxed, Ordering::Relaxed);
        now.0 >= until && door.shut_until.compare_exchange(until, next, order, other).is_ok()
    }

    /// Notes how a call fared; answers whether it shut the door.
    pub(crate) fn note(&self, place: Place, answered: bool, now: Tick) -> bool {
        let door = &self.0[place.0];
        if answered {
            door.misses.store(0, Ordering::Relaxed);
            return false;
        }
        door.shut_until.store(now.after(SHUT).0, Ordering::Relaxed);
        door.misses.fetch_add(1, Ordering::Relaxed) + 1 == MISSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_a_cluster() {
        // 12739 is the slot of "123456789" in Redis's own documentation.
        assert_eq!(State::<XMODEM>::calculate(b"123456789") % SLOTS, 12_739);
        assert_eq!(Place::of("123456789"), Place(12_739 / 256));
    }

    #[test]
    fn three_misses_shut_a_door_until_one_try_succeeds() {
        let (doors, here, there) = (Doors::new(), Place(1), Place(2));
        let at = |millis| Tick(0).after(Duration::from_millis(millis));
        assert!(!doors.note(here, false, at(0)) && !doors.note(here, false, at(1)));
        assert!(doors.is_open(here, at(2)));
        assert!(doors.note(here, false, at(2)), "the third shuts it");
        assert!(!doors.is_open(here, at(500)) && doors.is_open(there, at(500)));
        assert!(doors.is_open(here, at(1_002)), "one may try");
        assert!(!doors.is_open(here, at(1_003)), "and no other");
        assert!(!doors.note(here, true, at(1_004)));
        assert!(doors.is_open(here, at(1_005)));
    }
}
