//! Counts of calls that would have been denied outside of shadow mode: entries of principal, route and
//! reason, by hour. Their number is bounded, because the database may be unavailable for a while.

use std::collections::btree_map::Entry as Sorted;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::decision::{DecisionContext, Denial};
use crate::ports::shadow::{ShadowCount, ShadowEntry, ShadowEntryHour};
use crate::ports::usage::Hour;
use crate::time::Timestamp;

/// Most entries that one shard counts between two collections.
const MAX_ENTRIES: usize = 8_192;

/// Entries of one shard.
#[derive(Default)]
pub(super) struct ShadowCounters(HashMap<ShadowEntryHour, ShadowCount, foldhash::fast::RandomState>);

impl ShadowCount {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.last = self.last.max(other.last);
    }
}

impl ShadowCounters {
    /// Adds one call and returns whether there was room for it.
    pub(super) fn add(&mut self, denial: &Denial, context: &DecisionContext, at: Timestamp) -> bool {
        let one = ShadowCount { calls: 1, last: at };
        let has_room = self.0.len() < MAX_ENTRIES;
        match self.0.entry((ShadowEntry::of(denial, context), Hour::of(at))) {
            Entry::Occupied(count) => count.into_mut().add(one),
            Entry::Vacant(vacant) if has_room => drop(vacant.insert(one)),
            Entry::Vacant(_) => return false,
        }
        true
    }

    /// Returns whether the table is more than half full.
    pub(super) fn nearly_full(&self) -> bool {
        self.0.len() > MAX_ENTRIES / 2
    }

    /// Moves all entries into `into`.
    pub(super) fn take(&mut self, into: &mut BTreeMap<ShadowEntryHour, ShadowCount>) {
        for (entry, count) in self.0.drain() {
            match into.entry(entry) {
                Sorted::Occupied(total) => total.into_mut().add(count),
                Sorted::Vacant(vacant) => drop(vacant.insert(count)),
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
    fn calls_are_counted_by_entry_and_hour_with_the_last_time() {
        let mut shadows = ShadowCounters::default();
        for at in [7, 9, 8, 3_600_000] {
            assert!(add(&mut shadows, Reason::Revoked, at));
        }
        assert!(add(&mut shadows, Reason::Expired, 1));
        let mut all = BTreeMap::new();
        shadows.take(&mut all);
        shadows.take(&mut all);
        let entries: Vec<_> =
            all.iter().map(|((entry, hour), count)| (entry.reason, hour.0, *count)).collect();
        let count = |calls, last| ShadowCount { calls, last: Timestamp(last) };
        let expected = [
            (Reason::Revoked, 0, count(3, 9)),
            (Reason::Revoked, 1, count(1, 3_600_000)),
            (Reason::Expired, 0, count(1, 1)),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn entries_beyond_the_bound_are_dropped_and_known_ones_are_not() {
        let mut shadows = ShadowCounters::default();
        let hours = i64::try_from(MAX_ENTRIES).unwrap();
        assert!((0..hours).all(|hour| add(&mut shadows, Reason::Revoked, hour * 3_600_000)));
        assert!(shadows.nearly_full() && !add(&mut shadows, Reason::Expired, 0));
        assert!(add(&mut shadows, Reason::Revoked, 5));
    }
}
