//! Limiter that keeps its buckets in this process. All buckets of a call are checked and charged under locks
//! that are held together, so that a call is charged to all of them or to none, exactly, however many calls
//! run at once. Shards keep calls of different subjects from waiting for each other.

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
/// Buckets that a shard holds before it looks for full ones to drop. Keys that are used once and never again leave at most
/// so many buckets in each shard.
const SWEEP_FROM: usize = 128;
/// Most address buckets in a shard. Unauthenticated callers can create them, so their number is limited (a
/// million in all).
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

    /// Returns a bucket as it is now, without a change of its state.
    fn present_bucket(&self, charge: &BucketCharge, now: MonotonicInstant) -> Bucket {
        let known = self.buckets.get(&charge.bucket);
        let mut bucket = known.map_or_else(|| Bucket::full(charge, now), Bucket::clone);
        bucket.refill(charge, now);
        bucket
    }

    /// Drops buckets that are full again, which are equal to buckets that never existed. If address buckets
    /// still exceed their limit, half of them are dropped.
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
        self.buckets.shrink_to(self.sweep_at);
    }
}

/// Limiter that keeps its buckets in the memory of this process. After a restart, all buckets are full.
///
/// ```
/// use latchkey_core::limit::local::LocalLimiter;
/// use latchkey_core::limit::{
///     BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeCondition, ChargeOptions, CountingMode,
///     Levels, RuleId, parse_key_limit,
/// };
/// use latchkey_core::time::MonotonicInstant;
///
/// let charge = BucketCharge {
///     bucket: BucketId {
///         per: BucketOwner::Key,
///         when: ChargeCondition::Allowed,
///         subject: 1,
///         class_hash: 1,
///         rule: RuleId(0),
///     },
///     limit: parse_key_limit("60/min burst 2")?,
///     algorithm: BucketAlgorithm::TokenBucket,
///     mode: CountingMode::Exact,
///     shard_key: 1,
/// };
/// let options = ChargeOptions { cost: 1, dry_run: false };
/// let (limiter, now, mut levels) = (LocalLimiter::new(), MonotonicInstant(0), Levels::new());
///
/// assert!(limiter.charge_now(&[charge], options, now, &mut levels));
/// assert!(limiter.charge_now(&[charge], options, now, &mut levels));
/// assert!(!limiter.charge_now(&[charge], options, now, &mut levels), "the burst is used up");
/// assert_eq!(levels[0].retry_after.map(|wait| wait.as_secs()), Some(1));
/// # Ok::<(), latchkey_core::limit::LimitParseError>(())
/// ```
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
    /// Returns a limiter with all buckets full.
    #[must_use]
    pub fn new() -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::default(), sweep_at: SWEEP_FROM });
        let hasher = foldhash::fast::RandomState::default();
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher }
    }

    /// Returns the number of buckets that are kept now. Full buckets may have been dropped.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        self.shards.iter().map(|s| lock(s).buckets.len()).sum()
    }

    /// Charges as [`Limiter::charge`] does, without a future: no other process has to be asked.
    pub fn charge_now(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: MonotonicInstant,
        levels: &mut Levels,
    ) -> bool {
        let mut shards: SmallVec<[usize; 4]> = SmallVec::new();
        for charge in charges {
            shards.push(self.shard_index(charge));
        }
        let mut order = shards.clone();
        order.sort_unstable();
        order.dedup();
        // The locks are always taken in ascending order, so that two calls cannot wait for each other.
        let mut locked: SmallVec<[MutexGuard<'_, Shard>; 4]> = SmallVec::new();
        for index in &order {
            locked.push(lock(&self.shards[*index]));
        }
        let at = |n: usize| order.binary_search(&shards[n]).unwrap_or_default();
        let cost = u64::from(options.cost);

        let mut granted = true;
        levels.clear();
        if options.dry_run {
            for (n, charge) in charges.iter().enumerate() {
                let bucket = locked[at(n)].present_bucket(charge, now);
                granted &= bucket.has(charge, cost, now);
                levels.push(bucket.level(charge, cost, now));
            }
            sort_tightest_first(levels);
            return granted;
        }
        for (n, charge) in charges.iter().enumerate() {
            let bucket = locked[at(n)].bucket(charge, now);
            bucket.refill(charge, now);
            granted &= bucket.has(charge, cost, now);
        }
        let taken = if granted { cost } else { 0 };
        for (n, charge) in charges.iter().enumerate() {
            let bucket = locked[at(n)].bucket(charge, now);
            bucket.consume(taken, now);
            levels.push(bucket.level(charge, cost, now));
        }
        sort_tightest_first(levels);
        granted
    }

    /// Lowers the buckets to the levels of the same buckets that are counted elsewhere. It never raises one.
    pub fn cap_levels(&self, charges: &[BucketCharge], levels: &[Level], now: MonotonicInstant) {
        for charge in charges {
            let Some(level) = levels.iter().find(|level| level.bucket == charge.bucket) else { continue };
            let mut shard = lock(&self.shards[self.shard_index(charge)]);
            let bucket = shard.bucket(charge, now);
            bucket.refill(charge, now);
            bucket.cap(charge, level.remaining, now);
        }
    }

    fn shard_index(&self, charge: &BucketCharge) -> usize {
        let hash = self.hasher.hash_one(charge.bucket) % SHARDS as u64;
        usize::try_from(hash).unwrap_or_default()
    }
}

/// Locks a shard. A lock that a panic has poisoned is used as it is, because no bucket is written in two
/// steps.
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
