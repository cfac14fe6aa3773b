//! Rate limiter: counts in this process alone, or together with all replicas in Redis.

use std::sync::Arc;

use latchkey_core::error::SystemError;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{BucketCharge, ChargeOptions, Levels};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Moment;
use latchkey_redis::RedisLimiter;

/// Limiter that the settings select.
#[derive(Clone)]
pub(crate) enum RateLimiter {
    /// Buckets of this process.
    Local(Arc<LocalLimiter>),
    /// Buckets that replicas share.
    Redis(Arc<RedisLimiter>),
}

impl RateLimiter {
    /// Maintains the connection to Redis, if there is one, until the future is dropped.
    pub(crate) async fn maintain_connection(&self) {
        match self {
            Self::Local(_) => std::future::pending().await,
            Self::Redis(redis) => redis.maintain().await,
        }
    }

    /// Returns the Redis limiter, if limits are shared.
    pub(crate) fn redis(&self) -> Option<&RedisLimiter> {
        match self {
            Self::Local(_) => None,
            Self::Redis(redis) => Some(redis),
        }
    }

    /// Returns the number of buckets in this process's memory.
    pub(crate) fn bucket_count(&self) -> usize {
        match self {
            Self::Local(local) => local.bucket_count(),
            Self::Redis(redis) => redis.bucket_count(),
        }
    }

    /// Returns tokens that this process has leased and does not use.
    pub(crate) async fn return_unused(&self) {
        match self {
            Self::Local(_) => {}
            Self::Redis(redis) => redis.give_back(true).await,
        }
    }
}

impl Limiter for RateLimiter {
    async fn charge(
        &self,
        charges: &[BucketCharge],
        options: ChargeOptions,
        now: Moment,
        levels: &mut Levels,
    ) -> Result<bool, SystemError> {
        match self {
            Self::Local(local) => local.charge(charges, options, now, levels).await,
            Self::Redis(redis) => redis.charge(charges, options, now, levels).await,
        }
    }
}
