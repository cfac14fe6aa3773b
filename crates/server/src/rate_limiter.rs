//! Rate limiter: counts in this process alone, or together with all replicas in Redis.

use std::sync::Arc;
use std::time::Duration;

use latchkey_config::Redis;
use latchkey_core::error::SystemError;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{BucketCharge, ChargeOptions, Levels};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Moment;
use latchkey_redis::RedisLimiter;

use crate::doctor::{self, Severity};

/// Interval at which the start waits for the first connection.
const CONNECTED_POLL: Duration = Duration::from_millis(200);

/// Limiter that the settings select.
#[derive(Clone)]
pub(crate) enum RateLimiter {
    /// Buckets of this process.
    Local(Arc<LocalLimiter>),
    /// Buckets that replicas share.
    Redis(Arc<RedisLimiter>, Box<Redis>),
}

impl RateLimiter {
    /// Maintains the connection to Redis, if there is one, until the future is dropped.
    pub(crate) async fn maintain_connection(&self) {
        match self {
            Self::Local(_) => std::future::pending().await,
            Self::Redis(redis, settings) => {
                tokio::join!(redis.maintain(), report_findings(redis, settings));
            }
        }
    }

    /// Returns the Redis limiter, if limits are shared.
    pub(crate) fn redis(&self) -> Option<&RedisLimiter> {
        match self {
            Self::Local(_) => None,
            Self::Redis(redis, _) => Some(redis),
        }
    }

    /// Returns the number of buckets in this process's memory.
    pub(crate) fn bucket_count(&self) -> usize {
        match self {
            Self::Local(local) => local.bucket_count(),
            Self::Redis(redis, _) => redis.bucket_count(),
        }
    }

    /// Returns tokens that this process has leased and does not use.
    pub(crate) async fn return_unused(&self) {
        match self {
            Self::Local(_) => {}
            Self::Redis(redis, _) => redis.give_back(true).await,
        }
    }
}

/// Logs what `latchkey doctor` finds, once Redis is in use. An outage before that is logged by the limiter.
async fn report_findings(redis: &RedisLimiter, settings: &Redis) {
    while !redis.is_shared() {
        tokio::time::sleep(CONNECTED_POLL).await;
    }
    for finding in doctor::redis::examine(Some(settings), redis.deadline()).await {
        if matches!(finding.severity, Severity::Warning | Severity::Error) {
            tracing::warn!(remedy = finding.remedy, "Redis {}", finding.message);
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
            Self::Redis(redis, _) => redis.charge(charges, options, now, levels).await,
        }
    }
}
