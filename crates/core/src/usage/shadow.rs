//! What one place counts of calls that would have been denied: lines of who, where and why, by hour. Bounded, since
//! nobody may be able to write them down for a while.

use std::collections::btree_map::Entry as Sorted;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::decision::{Denial, Seen};
use crate::ports::shadow::{ShadowHour, ShadowLine, Shadowed};
use crate::ports::usage::Hour;
use crate::time::Timestamp;

/// Lines that one place counts between two collections.
const MOST: usize = 8_192;

/// Lines of one place.
#[derive(Default)]
pub(super) struct Shadows(HashMap<ShadowHour, Shadowed, foldhash::fast::RandomState>);

impl Shadowed {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.last = self.last.max(other.last);
    }
}

impl Shadows {
    /// Adds one call; answers whether there was room for it.
    pub(super) fn add(&mut self, denial: &Denial, seen: &Seen, at: Timestamp) -> bool {
        let one = Shadowed { calls: 1, last: at };
        let room = self.0.len() < MOST;
        match self.0.entry((ShadowLine::of(denial, seen), Hour::of(at))) {
            Entry::Occupied(known) => known.into_mut().add(one),
            Entry::Vacant(new) if room => drop(new.insert(one)),
            Entry::Vacant(_) => return false,
        }
        true
    }

    /// Whether it is getting full.
    pub(super) fn pressing(&self) -> bool {
        self.0.len() > MOST / 2
    }

    /// Moves everything over there.
    pub(super) fn take(&mut self, into: &mut BTreeMap<ShadowHour, Shadowed>) {
        for (line, seen) in self.0.drain() {
            match into.entry(line) {
                Sorted::Occupied(known) => known.into_mut().add(seen),
                Sorted::Vacant(new) => drop(new.insert(seen)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    fn add(shadows: &mut Shadows, reason: Reason, at: i64) -> bool {
        shadows.add(&Denial::plain(reason), &Seen::default(), Timestamp(at))
    }

    #[test]
    fn calls_are_counted_by_line_and_hour_with_the_last_time() {
        let mut shadows = Shadows::default();
        for at in [7, 9, 8, 3_600_000] {
            assert!(add(&mut shadows, Reason::Revoked, at));
        }
        assert!(add(&mut shadows, Reason::Expired, 1));
        let mut all = BTreeMap::new();
        shadows.take(&mut all);
        shadows.take(&mut all);
        let told: Vec<_> = all.iter().map(|((line, hour), seen)| (line.reason, hour.0, *seen)).collect();
        let seen = |calls, last| Shadowed { calls, last: Timestamp(last) };
        let expected = [
            (Reason::Revoked, 0, seen(3, 9)),
            (Reason::Revoked, 1, seen(1, 3_600_000)),
            (Reason::Expired, 0, seen(1, 1)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn lines_beyond_the_bound_are_refused_and_known_ones_are_not() {
        let mut shadows = Shadows::default();
        let hours = i64::try_from(MOST).unwrap();
        assert!((0..hours).all(|hour| add(&mut shadows, Reason::Revoked, hour * 3_600_000)));
        assert!(shadows.pressing() && !add(&mut shadows, Reason::Expired, 0));
        assert!(add(&mut shadows, Reason::Revoked, 5));
    }
}
