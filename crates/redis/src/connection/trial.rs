//! Buckets of this process alone, which are charged to find out whether Redis can be used. The request is that of a
//! call, so everything that makes calls fail makes this one fail too: missing rights, no memory, a replica.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use latchkey_core::limit::{
    BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeCondition, CountingMode, Limit, RuleId,
};
use redis::RedisError;
use tokio::time::timeout;

use super::RedisConnection;
use super::miss::MissReason;
use super::raw::RawConnection;
use super::slot_breakers::{RANGES, SlotRange};
use crate::key;
use crate::wire::{self, BucketOp, ScriptHandle};

/// Number of buckets for trials in a cluster.
const CLUSTER_TRIALS: usize = 8;

/// Buckets for trials: one, or in a cluster several that are spread over the slots. A cluster can be used as long as one of
/// them is counted, since parts that do not respond have breakers of their own.
#[derive(Debug)]
pub(crate) struct Trials {
    trials: Vec<Trial>,
    /// Number of the one that was counted last.
    counted: AtomicUsize,
}

impl Trials {
    /// Creates the buckets.
    pub(crate) fn new(is_cluster: bool) -> Self {
        let count = if is_cluster { CLUSTER_TRIALS } else { 1 };
        let trials = (0..count).map(|part| Trial::within(part, count)).collect();
        Self { trials, counted: AtomicUsize::new(0) }
    }

    /// Returns the buckets and their numbers, beginning with the one that was counted last.
    fn in_order(&self) -> impl Iterator<Item = (usize, Trial)> {
        let (first, count) = (self.counted.load(Ordering::Relaxed), self.trials.len());
        (0..count).map(move |step| (first + step) % count).map(|index| (index, self.trials[index]))
    }
}

impl RedisConnection {
    /// Charges a bucket of this process alone, as a call does. In a cluster, others follow until one is counted.
    pub(super) async fn try_bucket(
        &self,
        raw: &mut RawConnection,
        deadline: Duration,
    ) -> Result<(), MissReason> {
        let mut missed = None;
        for (index, trial) in self.trials.in_order() {
            match self.try_one(&trial, raw, deadline).await {
                Ok(()) => {
                    self.trials.counted.store(index, Ordering::Relaxed);
                    return Ok(());
                }
                Err(reason) => missed = missed.or(Some(reason)),
            }
        }
        Err(missed.unwrap_or(MissReason::TimedOut))
    }

    async fn try_one(
        &self,
        trial: &Trial,
        raw: &mut RawConnection,
        deadline: Duration,
    ) -> Result<(), MissReason> {
        let charge = timeout(deadline, trial.charge(raw, &self.script));
        let time = charge.await.map_err(|_| MissReason::TimedOut)??.ok_or(MissReason::Malformed)?;
        let range = self.is_cluster().then(|| SlotRange::of(&trial.tag()));
        self.clocks.observe(range, time, self.clock.now());
        // A bucket that is not deleted expires within a second.
        let _ = timeout(deadline, trial.undo(raw, &self.script)).await;
        Ok(())
    }
}

/// A bucket for trials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial(BucketCharge);

impl Trial {
    /// Creates one with a name that no other process has.
    pub(crate) fn new() -> Self {
        let random = || u128::from(foldhash::fast::RandomState::default().hash_one(std::process::id()));
        let subject = (random() << 64) | random();
        Self(BucketCharge {
            bucket: BucketId {
                per: BucketOwner::Key,
                when: ChargeCondition::Allowed,
                subject,
                class_hash: 0,
                rule: RuleId::ADDED,
            },
            // The bucket is full, and its key expires, a second after a charge.
            limit: Limit { tokens: 1, period: Duration::from_secs(1), burst: Some(60) },
            algorithm: BucketAlgorithm::TokenBucket,
            mode: CountingMode::Exact,
            shard_key: subject,
        })
    }

    /// Creates one whose slot is in this part of the slots, of so many equal ones.
    fn within(part: usize, parts: usize) -> Self {
        loop {
            let trial = Self::new();
            if SlotRange::of(&trial.tag()).index() * parts / RANGES == part {
                return trial;
            }
        }
    }

    /// Returns the tag, which decides the slot.
    pub(crate) fn tag(&self) -> String {
        key::tag(&self.0)
    }

    /// Charges the bucket, and returns the server's time in microseconds; `None` if the response is malformed.
    pub(crate) async fn charge(
        &self,
        raw: &mut RawConnection,
        script: &ScriptHandle,
    ) -> Result<Option<i64>, RedisError> {
        let operations = [(self.0, BucketOp::Exact)];
        let numbers = raw.run(script, &operations, 1, false).await?;
        Ok(wire::parse_reply(&operations, &numbers).map(|reply| reply.time))
    }

    /// Inspects this bucket and another one, which is in another slot, in one request. A node of a cluster refuses that.
    pub(crate) async fn inspect_both(
        &self,
        other: &Self,
        raw: &mut RawConnection,
        script: &ScriptHandle,
    ) -> Result<(), RedisError> {
        let operations = [(self.0, BucketOp::Exact), (other.0, BucketOp::Exact)];
        raw.run(script, &operations, 1, true).await.map(drop)
    }

    /// Deletes the bucket.
    pub(crate) async fn undo(
        &self,
        raw: &mut RawConnection,
        script: &ScriptHandle,
    ) -> Result<(), RedisError> {
        raw.run(script, &[(self.0, BucketOp::Undo { made: 0, charged_at: 0 })], 1, false).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trials_of_a_cluster_are_spread_over_its_slots() {
        assert_eq!(Trials::new(false).trials.len(), 1);
        let trials = Trials::new(true);
        let part = |trial: &Trial| SlotRange::of(&trial.tag()).index() * CLUSTER_TRIALS / RANGES;
        let parts: Vec<_> = trials.trials.iter().map(part).collect();
        assert_eq!(parts, (0..CLUSTER_TRIALS).collect::<Vec<_>>());
    }

    #[test]
    fn the_part_that_counted_last_is_tried_first() {
        let trials = Trials::new(true);
        trials.counted.store(6, Ordering::Relaxed);
        let order: Vec<_> = trials.in_order().map(|(index, _)| index).collect();
        assert_eq!(order, [6, 7, 0, 1, 2, 3, 4, 5]);
    }
}
