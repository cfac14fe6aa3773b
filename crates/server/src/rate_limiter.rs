//! Rate limiter: counts in this process alone, or together with all replicas in Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use latchkey_config::Redis;
use latchkey_core::error::SystemError;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{BucketCharge, ChargeOptions, Levels};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Moment;
use latchkey_redis::RedisLimiter;
use tokio::time::{Instant, sleep};

use crate::doctor::{self, Severity};

/// Interval at which a connection is waited for.
const CONNECTED_POLL: Duration = Duration::from_millis(200);
/// Interval at which Redis is examined: its settings and its memory change while it is in use.
const EXAMINED_EVERY: Duration = Duration::from_mins(1);
/// Time without a finding after which it is logged again.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

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

/// Logs what `latchkey doctor` finds while Redis is in use, each kind of finding once. An outage is logged by the limiter.
async fn report_findings(redis: &RedisLimiter, settings: &Redis) {
    let mut seen = SeenFindings::default();
    loop {
        while !redis.is_shared() {
            sleep(CONNECTED_POLL).await;
        }
        for finding in doctor::redis::examine(Some(settings), redis.deadline()).await {
            let is_problem = matches!(finding.severity, Severity::Warning | Severity::Error);
            if is_problem && seen.is_new(&finding.remedy, Instant::now()) {
                tracing::warn!(remedy = finding.remedy, "Redis {}", finding.message);
            }
        }
        sleep(EXAMINED_EVERY).await;
    }
}

/// Findings that were there, with the time at which each was seen last. They are known by their remedies, since messages have
/// numbers that change.
#[derive(Default)]
struct SeenFindings(HashMap<String, Instant>);

impl SeenFindings {
    /// Records a finding. Returns whether it was not there for a while.
    fn is_new(&mut self, remedy: &str, now: Instant) -> bool {
        let before = self.0.insert(remedy.to_owned(), now);
        before.is_none_or(|before| now.saturating_duration_since(before) >= FORGOTTEN_AFTER)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_stays_or_comes_and_goes_is_logged_once_and_one_that_returns_later_again() {
        let (mut seen, start) = (SeenFindings::default(), Instant::now());
        let mut is_new =
            |remedy: &str, minutes: u64| seen.is_new(remedy, start + Duration::from_mins(minutes));
        assert!(is_new("raise maxmemory", 0) && is_new("place it closer", 1));
        assert!(
            !is_new("raise maxmemory", 1)
                && !is_new("raise maxmemory", 50)
                && !is_new("raise maxmemory", 100)
        );
        assert!(is_new("place it closer", 61));
    }
}
