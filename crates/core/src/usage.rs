//! Use of keys, counted by the gate and collected in batches. Every thread counts in a shard of its own, so
//! that threads do not wait for each other; a collection takes the counts of a shard away in one move.
//! Counting a key that has been counted before costs no allocation.
//!
//! Memory is bounded. While batches cannot be written, counts of known keys continue, and uses of keys beyond
//! the bound are dropped and counted as dropped. Counting never waits for a database.

mod key_counter;
mod shadow_counters;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::key_counter::KeyCounter;
use self::shadow_counters::ShadowCounters;
use crate::decision::{DecisionContext, Denial};
use crate::id::KeyId;
use crate::ports::shadow::{ShadowCount, ShadowEntryHour};
use crate::ports::usage::{HourRange, KeyUseEvent, KeyUseTotals, Minute, StoredHours, UsageBatch, UsageLog};
use crate::thread;
use crate::time::Timestamp;

/// Number of shards. More threads than that share shards.
const SHARDS: usize = 16;
/// Most keys that one shard counts between two collections.
const MAX_KEYS: usize = 65_536;
/// Most keys in a batch, which is written in one transaction.
const BATCH_KEYS: usize = 500;
/// Number of written batches that are kept, for readers that have read the database before the batch was
/// written.
const WRITTEN_KEPT: usize = 8;

type KeyCounters = HashMap<KeyId, KeyCounter, foldhash::fast::RandomState>;

/// Counters of one thread, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    keys: Mutex<KeyCounters>,
    shadows: Mutex<ShadowCounters>,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, KeyCounters> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shadows(&self) -> MutexGuard<'_, ShadowCounters> {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Batches that were collected.
#[derive(Default)]
struct PendingBatches {
    /// The number of the last batch.
    number: u64,
    /// Batches that are not written yet.
    waiting: VecDeque<Arc<UsageBatch>>,
    /// Batches that were written last.
    written: VecDeque<Arc<UsageBatch>>,
    /// Time of the last collection.
    collected: Option<Timestamp>,
    /// An empty table that is exchanged for a shard's table, so that its memory is reused.
    spare: KeyCounters,
}

/// Counts the use of keys in this process.
pub struct UsageTracker {
    recorder: Box<str>,
    shards: [Shard; SHARDS],
    pending: Mutex<PendingBatches>,
    dropped: AtomicU64,
}

impl UsageTracker {
    /// Returns a tracker without counts. The recorder's name must be new at each start of the process.
    #[must_use]
    pub fn new(recorder: Box<str>) -> Self {
        Self {
            recorder,
            shards: std::array::from_fn(|_| Shard::default()),
            pending: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Returns the name that batches are written under.
    #[must_use]
    pub fn recorder(&self) -> &str {
        &self.recorder
    }

    /// Returns the number of uses dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns whether a shard is more than half full and should be collected.
    #[must_use]
    pub fn nearly_full(&self) -> bool {
        self.shards.iter().any(|shard| shard.lock().len() > MAX_KEYS / 2 || shard.shadows().nearly_full())
    }

    /// Makes batches of the uses counted since the last collection, unless earlier batches wait to be
    /// written. Collections at the end of each minute let the batches of one belong to that minute.
    pub fn collect(&self, now: Timestamp) {
        let mut pending = self.pending();
        if pending.waiting.is_empty() {
            let minute = Minute::between(pending.collected.replace(now).unwrap_or(now), now);
            self.take(&mut pending, minute);
        }
    }

    /// Returns the batch to write next.
    #[must_use]
    pub fn next_batch(&self) -> Option<Arc<UsageBatch>> {
        self.pending().waiting.front().map(Arc::clone)
    }

    /// Records that the batch of this number is written, if it is the next one to write.
    pub fn mark_written(&self, number: u64) {
        let mut pending = self.pending();
        if pending.waiting.front().is_some_and(|batch| batch.number == number) {
            let batch = pending.waiting.pop_front();
            pending.written.extend(batch);
            while pending.written.len() > WRITTEN_KEPT {
                pending.written.pop_front();
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, PendingBatches> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, pending: &mut PendingBatches, minute: Option<Minute>) {
        let mut uses: BTreeMap<KeyId, KeyUseTotals> = BTreeMap::new();
        let mut shadows: BTreeMap<ShadowEntryHour, ShadowCount> = BTreeMap::new();
        for shard in &self.shards {
            shard.shadows().take(&mut shadows);
            {
                let mut counts = shard.lock();
                if counts.is_empty() {
                    continue;
                }
                std::mem::swap(&mut *counts, &mut pending.spare);
            }
            for (key, count) in pending.spare.drain() {
                uses.entry(key).or_default().add(&count.totals());
            }
        }
        let (mut uses, mut shadows) = (uses.into_iter(), shadows.into_iter());
        loop {
            let uses: BTreeMap<KeyId, KeyUseTotals> = uses.by_ref().take(BATCH_KEYS).collect();
            let shadows: BTreeMap<ShadowEntryHour, ShadowCount> = shadows.by_ref().take(BATCH_KEYS).collect();
            if uses.is_empty() && shadows.is_empty() {
                return;
            }
            pending.number += 1;
            let batch = UsageBatch { number: pending.number, minute, uses, shadows };
            pending.waiting.push_back(Arc::new(batch));
        }
    }

    /// Returns the use of a key that is counted here and may not be in the database yet.
    #[must_use]
    pub fn local_totals(&self, key: KeyId) -> KeyUseTotals {
        let pending = self.pending();
        let mut totals = self.uncollected(key);
        for batch in &pending.waiting {
            batch.uses.get(&key).into_iter().for_each(|used| totals.add(used));
        }
        totals
    }

    /// Adds the use that the database did not have yet to what was read from it. Returns `None` if batches
    /// have been written since the read that are no longer kept here; then the database must be read again.
    #[must_use]
    pub fn merge_into(&self, key: KeyId, range: HourRange, mut stored: StoredHours) -> Option<StoredHours> {
        let pending = self.pending();
        let batches = || pending.written.iter().chain(&pending.waiting);
        let first = batches().next().map_or(pending.number + 1, |batch| batch.number);
        if stored.batch + 1 < first {
            return None;
        }
        let since = batches().filter(|batch| batch.number > stored.batch);
        let mut totals: Vec<KeyUseTotals> = since.filter_map(|batch| batch.uses.get(&key).cloned()).collect();
        totals.push(self.uncollected(key));
        let hours = totals.iter().flat_map(|totals| &totals.hours);
        for (hour, calls) in hours.filter(|(hour, _)| range.contains(**hour)) {
            stored.hours.entry(*hour).or_default().add(calls);
        }
        Some(stored)
    }

    fn uncollected(&self, key: KeyId) -> KeyUseTotals {
        let mut totals = KeyUseTotals::default();
        for shard in &self.shards {
            shard.lock().get(&key).into_iter().for_each(|counter| totals.add(&counter.totals()));
        }
        totals
    }
}

impl UsageLog for UsageTracker {
    fn record(&self, event: &KeyUseEvent<'_>) {
        let mut counters = self.shards[thread::thread_index() % SHARDS].lock();
        let has_room = counters.len() < MAX_KEYS;
        let recorded = match counters.entry(event.key) {
            Entry::Occupied(counter) => counter.into_mut().add(event),
            Entry::Vacant(vacant) if has_room => vacant.insert(KeyCounter::new(event.policy)).add(event),
            Entry::Vacant(_) => false,
        };
        if !recorded {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record_shadow_denial(&self, denial: &Denial, context: &DecisionContext, at: Timestamp) {
        if !self.shards[thread::thread_index() % SHARDS].shadows().add(denial, context, at) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
