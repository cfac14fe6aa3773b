//! Who counts: this process alone, or every replica together on Redis.

use std::sync::Arc;

use latchkey_core::error::SystemError;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{BucketCharge, ChargeOptions, Levels};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Moment;
use latchkey_redis::RedisLimiter;

/// The limiter that the settings chose.
#[derive(Clone)]
pub(crate) enum RateLimiter {
    /// This process's own buckets.
    Local(Arc<LocalLimiter>),
    /// Shared ones.
    Redis(Arc<RedisLimiter>),
}

impl RateLimiter {
    /// Keeps the connection to what is shared, until it is dropped.
    pub(crate) async fn maintain_connection(&self) {
        match self {
            Self::Local(_) => std::future::pending().await,
            Self::Redis(redis) => redis.maintain().await,
        }
    }

    /// Redis, where it is asked.
    pub(crate) fn redis(&self) -> Option<&RedisLimiter> {
        match self {
            Self::Local(_) => None,
            Self::Redis(redis) => Some(redis),
        }
    }

    /// Buckets that this process remembers.
    pub(crate) fn bucket_count(&self) -> usize {
        match self {
            Self::Local(local) => local.bucket_count(),
            Self::Redis(redis) => redis.remembered(),
        }
    }

    /// Gives back what this process took and won't use.
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
