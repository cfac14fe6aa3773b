//! Deadlines of queries and requests to stores.

use std::time::Duration;

/// Maximum duration of queries to the database.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseDeadlines {
    /// Deadlines of a Check.
    pub check: CheckDeadlines,
    /// Deadline for a management call.
    pub management: Duration,
}

/// Deadlines of a Check that is not answered from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckDeadlines {
    /// Maximum duration of the whole Check. Envoy's timeout must be longer; it is 200 ms by default.
    pub total: Duration,
    /// Maximum duration of its request to Redis.
    pub redis: Duration,
}

impl CheckDeadlines {
    /// Part of a lookup's time that is left for the response when its query has ended.
    const MARGIN: Duration = Duration::from_millis(10);

    /// Returns the maximum duration of a lookup: Redis is asked afterwards.
    #[must_use]
    pub const fn lookup(self) -> Duration {
        self.total.saturating_sub(self.redis)
    }

    /// Returns the maximum duration of a query of the database.
    #[must_use]
    pub const fn query(self) -> Duration {
        self.lookup().saturating_sub(Self::MARGIN)
    }
}

impl Default for CheckDeadlines {
    fn default() -> Self {
        Self { total: Duration::from_millis(150), redis: Duration::from_millis(20) }
    }
}

impl Default for DatabaseDeadlines {
    fn default() -> Self {
        Self { check: CheckDeadlines::default(), management: Duration::from_secs(2) }
    }
}
