//! Every batch of this process. Those of a call are looked at and spent under locks taken together, so that
//! several buckets are charged or none; as core's own buckets do it.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_core::limit::{BucketId, Demand, Levels, Spending, tightest_first};
use latchkey_core::time::Tick;
use smallvec::SmallVec;
use tokio::sync::Mutex as Turn;

use crate::batch::Batch;
use crate::wire::{Held, Kind, State};

const SHARDS: usize = 64;
/// Batches that a shard holds at most; buckets beyond are asked for each time.
const MOST: usize = 4_096;

type Shard = HashMap<BucketId, (Demand, Batch), foldhash::fast::RandomState>;
type Guard<'a> = MutexGuard<'a, Shard>;

/// What lies here of leased buckets.
pub(crate) struct Batches {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::fast::RandomState,
}

impl Batches {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: foldhash::fast::RandomState::default() }
    }

    /// Answers a call from what lies here; none: Redis must be asked.
    pub(crate) fn spend(&self, demands: &[Demand], cost: u64, look: bool, now: Tick) -> Option<Spending> {
        let (mut held, at) = self.lock_all(demands);
        let mut granted = true;
        for (demand, place) in demands.iter().zip(&at) {
            let (_, batch) = held[*place].get(&demand.bucket)?;
            let enough = batch.tokens(demand, now)? >= cost;
            if !enough && !batch.is_refused(cost, now) {
                return None;
            }
            granted &= enough;
        }
        let mut levels = Levels::new();
        for (demand, place) in demands.iter().zip(&at) {
            let (_, batch) = held[*place].get_mut(&demand.bucket)?;
            if granted && !look {
                batch.spend(cost, now);
            }
            levels.push(batch.level(demand, cost, now));
        }
        tightest_first(&mut levels);
        Some(Spending { granted, levels })
    }

    /// The turns of these buckets, in an order that is the same for everybody; none where there are too
    /// many batches already.
    pub(crate) fn turns(&self, demands: &[Demand], now: Tick) -> Option<SmallVec<[Arc<Turn<()>>; 4]>> {
        let mut order: SmallVec<[&Demand; 4]> = demands.iter().collect();
        order.sort_unstable_by_key(|demand| demand.bucket);
        let turn = |demand: &&Demand| {
            let mut shard = self.shard(demand);
            if shard.len() >= MOST && !shard.contains_key(&demand.bucket) {
                return None;
            }
            let (_, batch) =
                shard.entry(demand.bucket).or_insert_with(|| (**demand, Batch::none(demand, now)));
            Some(Arc::clone(&batch.turn))
        };
        order.iter().map(turn).collect()
    }

    /// Hands these buckets' batches over to a question.
    pub(crate) fn hand_over(&self, demands: &[Demand], cost: u64, now: Tick) -> Vec<(Demand, Kind)> {
        let hand = |demand: &Demand| {
            let mut shard = self.shard(demand);
            let (_, batch) =
                shard.entry(demand.bucket).or_insert_with(|| (*demand, Batch::none(demand, now)));
            let (held, want) = batch.hand_over(demand, cost, now);
            (*demand, Kind::Lease(held, want))
        };
        demands.iter().map(hand).collect()
    }

    /// Takes up the answer to the question that was sent at `sent`.
    pub(crate) fn take_up(&self, demand: &Demand, state: &State, passed: Passed) {
        let mut shard = self.shard(demand);
        let none = || (*demand, Batch::none(demand, passed.sent));
        let (of, batch) = shard.entry(demand.bucket).or_insert_with(none);
        *of = *demand;
        batch.take_up(demand, state, passed.sent);
        if passed.granted {
            batch.passed(passed.cost, passed.sent);
            if batch.is_short(passed.cost) {
                batch.fell_short(demand, passed.cost, passed.sent);
            }
        } else if state.level(demand, state.batch.left, 0).remaining < passed.cost {
            batch.fell_short(demand, passed.cost, passed.sent);
        }
    }

    /// Tokens that lie here of a bucket.
    pub(crate) fn held(&self, demand: &Demand, now: Tick) -> u64 {
        self.shard(demand).get(&demand.bucket).map_or(0, |(_, batch)| batch.held(now))
    }

    /// Takes out what should go back to Redis (all of it, at the end), and forgets what is over.
    pub(crate) fn returning(&self, all: bool, now: Tick) -> Vec<(Demand, Held)> {
        let mut back = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            for (demand, batch) in shard.values_mut() {
                if all || batch.should_go_back(now) {
                    back.push((*demand, batch.surrender()));
                }
            }
            shard.retain(|_, (_, batch)| !batch.is_over(now));
        }
        back.retain(|(_, held)| held.left + held.used > 0);
        back
    }

    fn lock_all(&self, demands: &[Demand]) -> (SmallVec<[Guard<'_>; 4]>, SmallVec<[usize; 4]>) {
        let places: SmallVec<[usize; 4]> = demands.iter().map(|demand| self.place(demand)).collect();
        let mut order = places.clone();
        order.sort_unstable();
        order.dedup();
        // Always locked in ascending order: two calls can't wait for each other.
        let held = order.iter().map(|place| lock(&self.shards[*place])).collect();
        let at = places.iter().map(|place| order.binary_search(place).unwrap_or_default()).collect();
        (held, at)
    }

    fn shard(&self, demand: &Demand) -> Guard<'_> {
        lock(&self.shards[self.place(demand)])
    }

    fn place(&self, demand: &Demand) -> usize {
        usize::try_from(self.hasher.hash_one(demand.bucket) % SHARDS as u64).unwrap_or_default()
    }
}

/// How the call behind a question fared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) granted: bool,
    pub(crate) cost: u64,
    pub(crate) sent: Tick,
}

/// A panic elsewhere leaves whole batches behind, since none is written in two steps.
fn lock(shard: &Mutex<Shard>) -> Guard<'_> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
