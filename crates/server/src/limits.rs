//! Who counts: this process alone, or every replica together on Redis.

use std::sync::Arc;

use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{Charge, Demand, Levels};
use latchkey_core::ports::Limiter;
use latchkey_core::time::Moment;
use latchkey_core::trouble::Trouble;
use latchkey_redis::RedisLimiter;

/// The limiter that the settings chose.
#[derive(Clone)]
pub(crate) enum Limits {
    /// This process's own buckets.
    Own(Arc<LocalLimiter>),
    /// Shared ones.
    Shared(Arc<RedisLimiter>),
}

impl Limits {
    /// Keeps the connection to what is shared, until it is dropped.
    pub(crate) async fn keep(&self) {
        match self {
            Self::Own(_) => std::future::pending().await,
            Self::Shared(shared) => shared.keep().await,
        }
    }

    /// Redis, where it is asked.
    pub(crate) fn shared(&self) -> Option<&RedisLimiter> {
        match self {
            Self::Own(_) => None,
            Self::Shared(shared) => Some(shared),
        }
    }

    /// Buckets that this process remembers.
    pub(crate) fn remembered(&self) -> usize {
        match self {
            Self::Own(own) => own.remembered(),
            Self::Shared(shared) => shared.remembered(),
        }
    }

    /// Gives back what this process took and won't use.
    pub(crate) async fn give_back(&self) {
        match self {
            Self::Own(_) => {}
            Self::Shared(shared) => shared.give_back(true).await,
        }
    }
}

impl Limiter for Limits {
    async fn charge(
        &self,
        demands: &[Demand],
        charge: Charge,
        now: Moment,
        levels: &mut Levels,
    ) -> Result<bool, Trouble> {
        match self {
            Self::Own(own) => own.charge(demands, charge, now, levels).await,
            Self::Shared(shared) => shared.charge(demands, charge, now, levels).await,
        }
    }
}
