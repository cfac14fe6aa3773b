//! Use of keys, counted where calls are judged and handed on in batches. Every thread that judges counts in a
//! place of its own, so that two never wait for each other; whoever collects takes a place's counts away in one
//! move. A key that was counted before costs no allocation.
//!
//! Bounded: where nobody can write batches down, counts of known keys go on growing, and keys beyond the bound
//! are dropped and counted as dropped. Nothing here ever waits for a store.

mod count;
mod shadow;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::count::Count;
use self::shadow::Shadows;
use crate::decision::{Denial, Seen};
use crate::id::KeyId;
use crate::ports::shadow::{ShadowHour, Shadowed};
use crate::ports::usage::{Batch, HourSpan, KeyUse, StoredHours, UsageLog, Use};
use crate::thread;
use crate::time::Timestamp;

/// Places to count in: threads beyond that share one.
const PLACES: usize = 16;
/// Keys that one place counts between two collections.
const MOST: usize = 65_536;
/// Keys of one batch: what is written in one transaction.
const BATCH: usize = 500;
/// Batches that were written and are remembered, for readers that asked the ledger before.
const WRITTEN: usize = 8;

type Counts = HashMap<KeyId, Count, foldhash::fast::RandomState>;

/// A place of one thread, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Place {
    keys: Mutex<Counts>,
    shadows: Mutex<Shadows>,
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shadows(&self) -> MutexGuard<'_, Shadows> {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was collected.
#[derive(Default)]
struct Collected {
    /// The number of the last batch.
    number: u64,
    /// Not written yet.
    waiting: VecDeque<Arc<Batch>>,
    /// Written lately.
    written: VecDeque<Arc<Batch>>,
    /// Takes a place's counts in exchange, so that its room needn't be made anew.
    spare: Counts,
}

/// Counts use.
pub struct Usage {
    recorder: Box<str>,
    places: [Place; PLACES],
    collected: Mutex<Collected>,
    dropped: AtomicU64,
}

impl Usage {
    /// Counts nothing yet. The recorder's name is its own, made anew at each start.
    #[must_use]
    pub fn new(recorder: Box<str>) -> Self {
        Self {
            recorder,
            places: std::array::from_fn(|_| Place::default()),
            collected: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// The name that batches are written under.
    #[must_use]
    pub fn recorder(&self) -> &str {
        &self.recorder
    }

    /// How many uses were dropped, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether a place is getting full: it had better be collected now.
    #[must_use]
    pub fn pressing(&self) -> bool {
        self.places.iter().any(|place| place.lock().len() > MOST / 2 || place.shadows().pressing())
    }

    /// Makes batches of what was counted since, unless some of earlier wait to be written.
    pub fn collect(&self) {
        let mut collected = self.collected();
        if collected.waiting.is_empty() {
            self.take(&mut collected);
        }
    }

    /// The batch that is to be written next.
    #[must_use]
    pub fn next(&self) -> Option<Arc<Batch>> {
        self.collected().waiting.front().map(Arc::clone)
    }

    /// The batch that was handed out last is written.
    pub fn written(&self, number: u64) {
        let mut collected = self.collected();
        if collected.waiting.front().is_some_and(|batch| batch.number == number) {
            let batch = collected.waiting.pop_front();
            collected.written.extend(batch);
            while collected.written.len() > WRITTEN {
                collected.written.pop_front();
            }
        }
    }

    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, collected: &mut Collected) {
        let mut uses: BTreeMap<KeyId, KeyUse> = BTreeMap::new();
        let mut shadows: BTreeMap<ShadowHour, Shadowed> = BTreeMap::new();
        for place in &self.places {
            place.shadows().take(&mut shadows);
            {
                let mut counts = place.lock();
                if counts.is_empty() {
                    continue;
                }
                std::mem::swap(&mut *counts, &mut collected.spare);
            }
            for (key, count) in collected.spare.drain() {
                uses.entry(key).or_default().add(&count.told());
            }
        }
        let (mut uses, mut shadows) = (uses.into_iter(), shadows.into_iter());
        loop {
            let uses: BTreeMap<KeyId, KeyUse> = uses.by_ref().take(BATCH).collect();
            let shadows: BTreeMap<ShadowHour, Shadowed> = shadows.by_ref().take(BATCH).collect();
            if uses.is_empty() && shadows.is_empty() {
                return;
            }
            collected.number += 1;
            collected.waiting.push_back(Arc::new(Batch { number: collected.number, uses, shadows }));
        }
    }

    /// What is known here of a key's use and may not be in the ledger yet.
    #[must_use]
    pub fn known(&self, key: KeyId) -> KeyUse {
        let collected = self.collected();
        let mut known = self.uncollected(key);
        for batch in &collected.waiting {
            batch.uses.get(&key).into_iter().for_each(|seen| known.add(seen));
        }
        known
    }

    /// Adds to what the ledger had of a key what it hadn't been told yet. Nothing, where batches were written
    /// since that are no longer known: then the ledger is to be asked again.
    #[must_use]
    pub fn complete(&self, key: KeyId, span: HourSpan, mut stored: StoredHours) -> Option<StoredHours> {
        let collected = self.collected();
        let batches = || collected.written.iter().chain(&collected.waiting);
        let first = batches().next().map_or(collected.number + 1, |batch| batch.number);
        if stored.batch + 1 < first {
            return None;
        }
        let since = batches().filter(|batch| batch.number > stored.batch);
        let mut seen: Vec<KeyUse> = since.filter_map(|batch| batch.uses.get(&key).cloned()).collect();
        seen.push(self.uncollected(key));
        for (hour, calls) in
            seen.iter().flat_map(|seen| &seen.hours).filter(|(hour, _)| span.contains(**hour))
        {
            stored.hours.entry(*hour).or_default().add(calls);
        }
        Some(stored)
    }

    fn uncollected(&self, key: KeyId) -> KeyUse {
        let mut known = KeyUse::default();
        for place in &self.places {
            place.lock().get(&key).into_iter().for_each(|count| known.add(&count.told()));
        }
        known
    }
}

impl UsageLog for Usage {
    fn note(&self, used: &Use<'_>) {
        let mut counts = self.places[thread::number() % PLACES].lock();
        let room = counts.len() < MOST;
        let noted = match counts.entry(used.key) {
            Entry::Occupied(known) => known.into_mut().add(used),
            Entry::Vacant(new) if room => new.insert(Count::new(used.policy)).add(used),
            Entry::Vacant(_) => false,
        };
        if !noted {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn would_deny(&self, denial: &Denial, seen: &Seen, at: Timestamp) {
        if !self.places[thread::number() % PLACES].shadows().add(denial, seen, at) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
