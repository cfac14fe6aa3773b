//! Use of keys, counted where calls are judged and handed on in batches. Every thread that judges counts in a
//! place of its own, so that two never wait for each other; whoever collects takes a place's counts away in one
//! move. A key that was counted before costs no allocation.
//!
//! Bounded: where nobody can write batches down, counts of known keys go on growing, and keys beyond the bound
//! are dropped and counted as dropped. Nothing here ever waits for a store.

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
use crate::ports::usage::{HourRange, KeyUseEvent, KeyUseTotals, StoredHours, UsageBatch, UsageLog};
use crate::thread;
use crate::time::Timestamp;

/// Places to count in: threads beyond that share one.
const SHARDS: usize = 16;
/// Keys that one place counts between two collections.
const MAX_KEYS: usize = 65_536;
/// Keys of one batch: what is written in one transaction.
const BATCH_KEYS: usize = 500;
/// Batches that were written and are remembered, for readers that asked the ledger before.
const WRITTEN_KEPT: usize = 8;

type KeyCounters = HashMap<KeyId, KeyCounter, foldhash::fast::RandomState>;

/// A place of one thread, on cache lines of its own.
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

/// What was collected.
#[derive(Default)]
struct PendingBatches {
    /// The number of the last batch.
    number: u64,
    /// Not written yet.
    waiting: VecDeque<Arc<UsageBatch>>,
    /// Written lately.
    written: VecDeque<Arc<UsageBatch>>,
    /// Takes a place's counts in exchange, so that its room needn't be made anew.
    spare: KeyCounters,
}

/// Counts use.
pub struct UsageTracker {
    recorder: Box<str>,
    shards: [Shard; SHARDS],
    pending: Mutex<PendingBatches>,
    dropped: AtomicU64,
}

impl UsageTracker {
    /// Counts nothing yet. The recorder's name is its own, made anew at each start.
    #[must_use]
    pub fn new(recorder: Box<str>) -> Self {
        Self {
            recorder,
            shards: std::array::from_fn(|_| Shard::default()),
            pending: Mutex::default(),
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
    pub fn nearly_full(&self) -> bool {
        self.shards.iter().any(|shard| shard.lock().len() > MAX_KEYS / 2 || shard.shadows().nearly_full())
    }

    /// Makes batches of what was counted since, unless some of earlier wait to be written.
    pub fn collect(&self) {
        let mut pending = self.pending();
        if pending.waiting.is_empty() {
            self.take(&mut pending);
        }
    }

    /// The batch that is to be written next.
    #[must_use]
    pub fn next_batch(&self) -> Option<Arc<UsageBatch>> {
        self.pending().waiting.front().map(Arc::clone)
    }

    /// The batch that was handed out last is written.
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

    fn take(&self, pending: &mut PendingBatches) {
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
            pending.waiting.push_back(Arc::new(UsageBatch { number: pending.number, uses, shadows }));
        }
    }

    /// What is known here of a key's use and may not be in the ledger yet.
    #[must_use]
    pub fn local_totals(&self, key: KeyId) -> KeyUseTotals {
        let pending = self.pending();
        let mut known = self.uncollected(key);
        for batch in &pending.waiting {
            batch.uses.get(&key).into_iter().for_each(|totals| known.add(totals));
        }
        known
    }

    /// Adds to what the ledger had of a key what it hadn't been told yet. Nothing, where batches were written
    /// since that are no longer known: then the ledger is to be asked again.
    #[must_use]
    pub fn merge_into(&self, key: KeyId, span: HourRange, mut stored: StoredHours) -> Option<StoredHours> {
        let pending = self.pending();
        let batches = || pending.written.iter().chain(&pending.waiting);
        let first = batches().next().map_or(pending.number + 1, |batch| batch.number);
        if stored.batch + 1 < first {
            return None;
        }
        let since = batches().filter(|batch| batch.number > stored.batch);
        let mut totals: Vec<KeyUseTotals> = since.filter_map(|batch| batch.uses.get(&key).cloned()).collect();
        totals.push(self.uncollected(key));
        for (hour, calls) in
            totals.iter().flat_map(|totals| &totals.hours).filter(|(hour, _)| span.contains(**hour))
        {
            stored.hours.entry(*hour).or_default().add(calls);
        }
        Some(stored)
    }

    fn uncollected(&self, key: KeyId) -> KeyUseTotals {
        let mut known = KeyUseTotals::default();
        for shard in &self.shards {
            shard.lock().get(&key).into_iter().for_each(|count| known.add(&count.totals()));
        }
        known
    }
}

impl UsageLog for UsageTracker {
    fn record(&self, used: &KeyUseEvent<'_>) {
        let mut counts = self.shards[thread::thread_index() % SHARDS].lock();
        let room = counts.len() < MAX_KEYS;
        let noted = match counts.entry(used.key) {
            Entry::Occupied(known) => known.into_mut().add(used),
            Entry::Vacant(new) if room => new.insert(KeyCounter::new(used.policy)).add(used),
            Entry::Vacant(_) => false,
        };
        if !noted {
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
