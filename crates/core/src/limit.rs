//! Rate limits: their text form (`300/min burst 50`), the buckets that apply to a call, and the levels of
//! buckets. Counting is a port ([`crate::ports::Limiter`]); [`local`] counts in this process.

mod comparison;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod level;
pub mod local;
mod mode;
mod parse;
#[cfg(test)]
mod properties;
mod rule_id;
mod rules;

pub use comparison::CountedLimit;
pub use level::{Level, Levels, Waits, capacity, fraction_unit, parts_per_token, size, sort_tightest_first};
pub use mode::CountingMode;
pub use parse::{LimitParseError, parse_key_limit, parse_rate, parse_tenant_limits};
pub use rule_id::RuleId;
pub use rules::{DEFAULT_CLASS, LimitOverrides, LimitSubjects, NameMap, Plan, RateClasses, bucket_charges};

use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;

/// Owner of a bucket: the requests of one owner are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BucketOwner {
    /// A key or user.
    Key,
    /// A tenant.
    Tenant,
    /// A client address; for IPv6, a /64 network.
    Ip,
}

impl BucketOwner {
    /// Returns the name in documents and responses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::Ip => "ip",
        }
    }
}

/// Algorithm of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketAlgorithm {
    /// Holds `burst` tokens and refills evenly. In one period, it admits up to `burst` plus `tokens`.
    TokenBucket,
    /// Counts for each window. A window begins with its first request. A period that covers the end of one
    /// window and the start of the next can admit twice the tokens.
    FixedWindow,
    /// Admits at most `tokens` in any period, wherever the period begins.
    #[default]
    SlidingWindow,
}

impl BucketAlgorithm {
    /// Returns the algorithm of a bucket whose rule declares this algorithm. If the rule declares none, a limit with a burst
    /// is a token bucket, and one without is a sliding window, so that a rate alone is never exceeded. A rule that declares
    /// a token bucket or a fixed window keeps it, whatever limit replaces its own; a fixed window ignores a burst.
    #[must_use]
    pub fn with_limit(self, limit: Limit) -> Self {
        match (self, limit.burst) {
            (Self::FixedWindow, _) => Self::FixedWindow,
            (Self::TokenBucket, _) | (Self::SlidingWindow, Some(_)) => Self::TokenBucket,
            (Self::SlidingWindow, None) => Self::SlidingWindow,
        }
    }
}

/// Condition under which a call is charged to a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChargeCondition {
    /// Calls that are otherwise allowed.
    #[default]
    Allowed,
    /// Attempts with an invalid or missing credential.
    Unauthenticated,
}

/// A limit: `tokens` for each `period`, with or without a bucket of `burst` tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Tokens that are refilled in a period; at least 1.
    pub tokens: u64,
    /// Period of the refill; at least a second.
    pub period: Duration,
    /// Most tokens that the bucket holds; at least 1. Without a burst, at most `tokens` are admitted in any
    /// period.
    pub burst: Option<u64>,
}

impl Limit {
    /// Returns the limit as a bucket of this algorithm has it: a token bucket without a burst holds the tokens of the rate.
    #[must_use]
    pub fn counted_by(self, algorithm: BucketAlgorithm) -> Self {
        match algorithm {
            BucketAlgorithm::TokenBucket => Self { burst: self.burst.or(Some(self.tokens)), ..self },
            BucketAlgorithm::FixedWindow | BucketAlgorithm::SlidingWindow => self,
        }
    }
}

/// Rule of one bucket of a rate class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketRule {
    /// The type of owner that the bucket counts for.
    pub per: BucketOwner,
    /// The limit.
    pub limit: Limit,
    /// The algorithm as declared, the default if none is; see [`BucketAlgorithm::with_limit`].
    pub algorithm: BucketAlgorithm,
    /// Calls that are counted.
    pub when: ChargeCondition,
    /// Counting mode among replicas; `None` to choose it by the rate ([`CountingMode::of`]).
    pub mode: Option<CountingMode>,
}

/// Index of a rate class in its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateClassId(pub u16);

/// Identifier of a bucket, by owner, rate class and declared rule.
///
/// The origin of the limit (the class, a plan, a tenant or a key) is no part of it: spent tokens stay spent when the
/// limit changes, and calls under different limits count for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId {
    /// The type of owner.
    pub per: BucketOwner,
    /// Calls that are counted. Failed attempts and calls that pass never share a bucket.
    pub when: ChargeCondition,
    /// The key's, user's or tenant's UUID, or the client's network.
    pub subject: u128,
    /// Hash of the names of profile and class, so that counts continue with a new version of the profile.
    pub class_hash: u64,
    /// Declared rule.
    pub rule: RuleId,
}

/// A charge to one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketCharge {
    /// The bucket.
    pub bucket: BucketId,
    /// The limit that applies.
    pub limit: Limit,
    /// The algorithm.
    pub algorithm: BucketAlgorithm,
    /// Counting mode among replicas.
    pub mode: CountingMode,
    /// Key of buckets that can be charged together: the tenant's UUID; for a bucket of an address, its own
    /// subject.
    pub shard_key: u128,
}

/// Charges of one call. More than four buckets are rare.
pub type BucketCharges = SmallVec<[BucketCharge; 4]>;

/// Options that apply to all charges of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeOptions {
    /// Tokens to take from each bucket. A cost of zero reads the levels and takes nothing.
    pub cost: u32,
    /// True to take nothing, but to report whether there is room for the cost.
    pub dry_run: bool,
}

/// Result of charging several buckets together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeResult {
    /// True if every bucket had room. If one had none, nothing was taken from any of them.
    pub granted: bool,
    /// Levels of the buckets after the charge.
    pub levels: Levels,
}

/// Returns whole seconds, rounded up, as `Retry-After` states them (RFC 9110 section 10.2.3).
#[must_use]
pub fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Returns the bucket subject of a client address. IPv6 addresses are counted by /64, because one client is
/// usually assigned that much.
#[must_use]
pub fn network_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) | (1 << 127),
    }
}
