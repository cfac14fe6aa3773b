//! Buckets in this process. Every bucket of a call is looked at and charged under locks taken together, so
//! that several are charged or none, exactly, however many calls come at once. Shards keep calls of
//! different subjects out of each other's way.

mod bucket;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use self::bucket::Bucket;
use super::{BucketCharge, BucketId, BucketOwner, ChargeOptions, Level, Levels, sort_tightest_first};
use crate::error::SystemError;
use crate::ports::Limiter;
use crate::time::{Moment, MonotonicInstant};

const SHARDS: usize = 64;
/// Buckets that a shard holds before it looks for full ones to drop.
const SWEEP_FROM: usize = 1_024;
/// Address buckets in a shard: strangers can make those, so their number has an end (a million in all).
const MAX_ADDRESS_BUCKETS: usize = 16_384;

struct Shard {
    buckets: HashMap<BucketId, Bucket, foldhash::fast::RandomState>,
    sweep_at: usize,
}

impl Shard {
    fn bucket(&mut self, charge: &BucketCharge, now: MonotonicInstant) -> &mut Bucket {
        if self.buckets.len() >= self.sweep_at && !self.buckets.contains_key(&charge.bucket) {
            self.sweep(now);
        }
        self.buckets.entry(charge.bucket).or_insert_with(|| Bucket::full(charge, now))
    }

    /// Drops what is full again, which no one can tell from what was never there; and, where strangers'
    /// addresses still crowd it, half of those.
    fn sweep(&mut self, now: MonotonicInstant) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
        let addresses = self.buckets.keys().filter(|id| id.per == BucketOwner::Ip).count();
        if addresses > MAX_ADDRESS_BUCKETS {
            let mut keep = false;
            self.buckets.retain(|id, _| {
                keep = !keep;
                keep || id.per != BucketOwner::Ip
            });
        }
        self.sweep_at = SWEEP_FROM.max(self.buckets.len() * 2);
    }
}

/// Counts in memory. A restart begins with full buckets.
pub struct LocalLimiter {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

impl Default for LocalLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl LocalLimiter {
    /// With every bucket full.
    #[must_use]
    pub fn new() -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::default(), sweep_at: SWEEP_FROM });
        let hasher = foldhash::fast::RandomState::default();
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher }
    }

    /// Buckets that are remembered now; full ones need not be.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        self.shards.iter().map(|s| lock(s).buckets.len()).sum()
    }

    /// Charges as [`Limiter::charge`] does, which calls it: nothing here has to be waited for.
    pub fn charge_now(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: MonotonicInstant,
        levels: &mut Levels,
    ) -> bool {
        let shards: SmallVec<[usize; 4]> = charges.iter().map(|d| self.shard_index(d)).collect();
        let mut order = shards.clone();
        order.sort_unstable();
        order.dedup();
        // Always locked in ascending order: two calls can't wait for each other.
        let mut locked: SmallVec<[MutexGuard<'_, Shard>; 4]> =
            order.iter().map(|place| lock(&self.shards[*place])).collect();
        let at = |n: usize| order.binary_search(&shards[n]).unwrap_or_default();
        let cost = u64::from(options.cost);

        let mut granted = true;
        for (n, charge) in charges.iter().enumerate() {
            let bucket = locked[at(n)].bucket(charge, now);
            bucket.refill(charge, now);
            granted &= bucket.has(cost);
        }
        let taken = if granted && !options.dry_run { cost } else { 0 };
        levels.clear();
        for (n, charge) in charges.iter().enumerate() {
            let bucket = locked[at(n)].bucket(charge, now);
            bucket.consume(taken);
            levels.push(bucket.level(charge, cost, now));
        }
        sort_tightest_first(levels);
        granted
    }

    /// Learns what buckets hold that are counted elsewhere: these hold no more than those.
    pub fn cap_levels(&self, charges: &[BucketCharge], levels: &[Level], now: MonotonicInstant) {
        for charge in charges {
            let Some(level) = levels.iter().find(|level| level.bucket == charge.bucket) else { continue };
            let mut shard = lock(&self.shards[self.shard_index(charge)]);
            let bucket = shard.bucket(charge, now);
            bucket.refill(charge, now);
            bucket.cap(level.remaining);
        }
    }

    fn shard_index(&self, charge: &BucketCharge) -> usize {
        let hash = self.hasher.hash_one(charge.bucket) % SHARDS as u64;
        usize::try_from(hash).unwrap_or_default()
    }
}

/// A panic elsewhere leaves whole buckets behind, since none is written in two steps.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limiter for LocalLimiter {
    async fn charge(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: Moment,
        levels: &mut Levels,
    ) -> Result<bool, SystemError> {
        Ok(self.charge_now(charges, options, now.monotonic, levels))
    }
}

#[cfg(test)]
mod tests;
