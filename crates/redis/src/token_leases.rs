//! All token leases of this process. Those of one call are inspected and spent under locks that are taken
//! together, so that all buckets of the call are charged or none; core's own buckets work the same way.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_core::limit::{BucketCharge, BucketId, ChargeResult, Levels, sort_tightest_first};
use latchkey_core::time::MonotonicInstant;
use smallvec::SmallVec;
use tokio::sync::Mutex as RefillLock;

use crate::token_lease::TokenLease;
use crate::wire::{BucketOp, BucketState, LeasedTokens};

const SHARDS: usize = 64;
/// Maximum number of leases in a shard. Buckets beyond it are charged on Redis by each call.
const MAX_PER_SHARD: usize = 4_096;

type Shard = HashMap<BucketId, (BucketCharge, TokenLease), foldhash::fast::RandomState>;
type Guard<'a> = MutexGuard<'a, Shard>;

/// Local state of all leased buckets.
pub(crate) struct TokenLeases {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

impl TokenLeases {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: foldhash::fast::RandomState::default() }
    }

    /// Charges local leases; `None` if a request to Redis is needed.
    pub(crate) fn spend(
        &self,
        charges: &[BucketCharge],
        cost: u64,
        look: bool,
        now: MonotonicInstant,
    ) -> Option<ChargeResult> {
        let (mut held, at) = self.lock_all(charges);
        let mut granted = true;
        for (demand, index) in charges.iter().zip(&at) {
            let (_, lease) = held[*index].get(&demand.bucket)?;
            let enough = lease.tokens(demand, now)? >= cost;
            if !enough && !lease.is_refused(cost, now) {
                return None;
            }
            granted &= enough;
        }
        let mut levels = Levels::new();
        for (demand, index) in charges.iter().zip(&at) {
            let (_, lease) = held[*index].get_mut(&demand.bucket)?;
            if granted && !look {
                lease.spend(cost, now);
            }
            levels.push(lease.level(demand, cost, now));
        }
        sort_tightest_first(&mut levels);
        Some(ChargeResult { granted, levels })
    }

    /// Returns the refill locks of these buckets, in an order that is the same for all calls; `None` if there
    /// are too many leases already.
    pub(crate) fn refill_locks(
        &self,
        charges: &[BucketCharge],
        now: MonotonicInstant,
    ) -> Option<SmallVec<[Arc<RefillLock<()>>; 4]>> {
        let mut order: SmallVec<[&BucketCharge; 4]> = charges.iter().collect();
        order.sort_unstable_by_key(|demand| demand.bucket);
        let refill_lock = |demand: &&BucketCharge| {
            let mut shard = self.shard(demand);
            if shard.len() >= MAX_PER_SHARD && !shard.contains_key(&demand.bucket) {
                return None;
            }
            let (_, lease) =
                shard.entry(demand.bucket).or_insert_with(|| (**demand, TokenLease::none(demand, now)));
            Some(Arc::clone(&lease.refill_lock))
        };
        order.iter().map(refill_lock).collect()
    }

    /// Hands the leases of these buckets over to a request.
    pub(crate) fn take_for_refill(
        &self,
        charges: &[BucketCharge],
        cost: u64,
        now: MonotonicInstant,
    ) -> Vec<(BucketCharge, BucketOp)> {
        let hand = |demand: &BucketCharge| {
            let mut shard = self.shard(demand);
            let (_, lease) =
                shard.entry(demand.bucket).or_insert_with(|| (*demand, TokenLease::none(demand, now)));
            let (held, want) = lease.take_for_refill(demand, cost, now);
            (*demand, BucketOp::Lease(held, want))
        };
        charges.iter().map(hand).collect()
    }

    /// Applies the response to a request that was sent at `sent`.
    pub(crate) fn apply_refill(&self, demand: &BucketCharge, state: &BucketState, passed: RefillOutcome) {
        let mut shard = self.shard(demand);
        let none = || (*demand, TokenLease::none(demand, passed.sent));
        let (of, lease) = shard.entry(demand.bucket).or_insert_with(none);
        *of = *demand;
        lease.apply_refill(demand, state, passed.sent);
        if passed.granted {
            lease.passed(passed.cost, passed.sent);
            if lease.is_below_target(passed.cost) {
                lease.record_shortage(demand, passed.cost, passed.sent);
            }
        } else if state.level(demand, state.lease.left, 0).remaining < passed.cost {
            lease.record_shortage(demand, passed.cost, passed.sent);
        }
    }

    /// Returns the leased tokens of a bucket.
    pub(crate) fn held(&self, demand: &BucketCharge, now: MonotonicInstant) -> u64 {
        self.shard(demand).get(&demand.bucket).map_or(0, |(_, lease)| lease.held(now))
    }

    /// Takes out the leases that should be returned to Redis (with `all`, every lease), and drops state that is
    /// no longer needed.
    pub(crate) fn take_returnable(
        &self,
        all: bool,
        now: MonotonicInstant,
    ) -> Vec<(BucketCharge, LeasedTokens)> {
        let mut back = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            for (demand, lease) in shard.values_mut() {
                if all || lease.should_return(now) {
                    back.push((*demand, lease.take_all()));
                }
            }
            shard.retain(|_, (_, lease)| !lease.is_idle(now));
        }
        back.retain(|(_, held)| held.left + held.used > 0);
        back
    }

    fn lock_all(&self, charges: &[BucketCharge]) -> (SmallVec<[Guard<'_>; 4]>, SmallVec<[usize; 4]>) {
        let indexes: SmallVec<[usize; 4]> = charges.iter().map(|demand| self.index(demand)).collect();
        let mut order = indexes.clone();
        order.sort_unstable();
        order.dedup();
        // Locks are taken in ascending order, so that two calls cannot deadlock.
        let held = order.iter().map(|index| lock(&self.shards[*index])).collect();
        let at = indexes.iter().map(|index| order.binary_search(index).unwrap_or_default()).collect();
        (held, at)
    }

    fn shard(&self, demand: &BucketCharge) -> Guard<'_> {
        lock(&self.shards[self.index(demand)])
    }

    fn index(&self, demand: &BucketCharge) -> usize {
        usize::try_from(self.hasher.hash_one(demand.bucket) % SHARDS as u64).unwrap_or_default()
    }
}

/// Outcome of the call behind a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefillOutcome {
    pub(crate) granted: bool,
    pub(crate) cost: u64,
    pub(crate) sent: MonotonicInstant,
}

/// A panic elsewhere leaves leases consistent, since none is written in two steps.
fn lock(shard: &Mutex<Shard>) -> Guard<'_> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
