//! Bucket of this process alone, which is charged to find out whether Redis can be used. The request is that of a
//! call, so everything that makes calls fail makes this one fail too: missing rights, no memory, a replica.

use std::hash::BuildHasher as _;
use std::time::Duration;

use latchkey_core::limit::{
    BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeCondition, CountingMode, Limit, RuleId,
};
use redis::RedisError;

use super::raw::RawConnection;
use crate::key;
use crate::wire::{self, BucketOp, ScriptHandle};

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
