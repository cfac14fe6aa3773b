//! What one place counts of calls that would have been denied: lines of who, where and why, by hour. Bounded, since
//! nobody may be able to write them down for a while.

use std::collections::btree_map::Entry as Sorted;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::decision::{DecisionContext, Denial};
use crate::ports::shadow::{ShadowCount, ShadowEntry, ShadowEntryHour};
use crate::ports::usage::Hour;
use crate::time::Timestamp;

/// Lines that one place counts between two collections.
const MAX_ENTRIES: usize = 8_192;

/// Lines of one place.
#[derive(Default)]
pub(super) struct ShadowCounters(HashMap<ShadowEntryHour, ShadowCount, foldhash::fast::RandomState>);

impl ShadowCount {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.last = self.last.max(other.last);
    }
}

impl ShadowCounters {
    /// Adds one call; answers whether there was room for it.
    pub(super) fn add(&mut self, denial: &Denial, context: &DecisionContext, at: Timestamp) -> bool {
        let one = ShadowCount { calls: 1, last: at };
        let room = self.0.len() < MAX_ENTRIES;
        match self.0.entry((ShadowEntry::of(denial, context), Hour::of(at))) {
            Entry::Occupied(known) => known.into_mut().add(one),
            Entry::Vacant(new) if room => drop(new.insert(one)),
            Entry::Vacant(_) => return false,
        }
        true
    }

    /// Whether it is getting full.
    pub(super) fn nearly_full(&self) -> bool {
        self.0.len() > MAX_ENTRIES / 2
    }

    /// Moves everything over there.
    pub(super) fn take(&mut self, into: &mut BTreeMap<ShadowEntryHour, ShadowCount>) {
        for (line, count) in self.0.drain() {
            match into.entry(line) {
                Sorted::Occupied(known) => known.into_mut().add(count),
                Sorted::Vacant(new) => drop(new.insert(count)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    fn add(shadows: &mut ShadowCounters, reason: Reason, at: i64) -> bool {
        shadows.add(&Denial::new(reason), &DecisionContext::default(), Timestamp(at))
    }

    #[test]
    fn calls_are_counted_by_line_and_hour_with_the_last_time() {
        let mut shadows = ShadowCounters::default();
        for at in [7, 9, 8, 3_600_000] {
            assert!(add(&mut shadows, Reason::Revoked, at));
        }
        assert!(add(&mut shadows, Reason::Expired, 1));
        let mut all = BTreeMap::new();
        shadows.take(&mut all);
        shadows.take(&mut all);
        let told: Vec<_> = all.iter().map(|((line, hour), count)| (line.reason, hour.0, *count)).collect();
        let count = |calls, last| ShadowCount { calls, last: Timestamp(last) };
        let expected = [
            (Reason::Revoked, 0, count(3, 9)),
            (Reason::Revoked, 1, count(1, 3_600_000)),
            (Reason::Expired, 0, count(1, 1)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn lines_beyond_the_bound_are_refused_and_known_ones_are_not() {
        let mut shadows = ShadowCounters::default();
        let hours = i64::try_from(MAX_ENTRIES).unwrap();
        assert!((0..hours).all(|hour| add(&mut shadows, Reason::Revoked, hour * 3_600_000)));
        assert!(shadows.nearly_full() && !add(&mut shadows, Reason::Expired, 0));
        assert!(add(&mut shadows, Reason::Revoked, 5));
    }
}
