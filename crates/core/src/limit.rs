//! How often: limits as they are written (`300/min burst 50`), which of them apply to a call, and what
//! a bucket answers. Counting itself is a port ([`crate::ports::Limiter`]); [`local`] counts in the process.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod level;
pub mod local;
mod mode;
mod parse;
mod rules;

pub use level::{Level, Levels, capacity, parts_per_token, sort_tightest_first};
pub use mode::CountingMode;
pub use parse::{LimitParseError, parse_key_limit, parse_rate, parse_tenant_limits};
pub use rules::{DEFAULT_CLASS, LimitOverrides, LimitSubjects, NameMap, Plan, RateClasses, bucket_charges};

use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;

/// Whose requests a bucket counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BucketOwner {
    /// One key's (or one user's).
    Key,
    /// All of a tenant's.
    Tenant,
    /// A client address's.
    Ip,
}

impl BucketOwner {
    /// The word in documents and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Tenant => "tenant",
            Self::Ip => "ip",
        }
    }
}

/// How a bucket counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BucketAlgorithm {
    /// Holds `burst` tokens and refills evenly.
    #[default]
    TokenBucket,
    /// Counts per window, which begins with its first request.
    FixedWindow,
}

/// Which calls a bucket counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChargeCondition {
    /// Every call that is otherwise allowed.
    #[default]
    Allowed,
    /// Attempts whose credential was no good.
    Unauthenticated,
}

/// `tokens` a `period`, in a bucket of `burst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Tokens that come back in a period; at least 1.
    pub tokens: u64,
    /// At least a second.
    pub period: Duration,
    /// The most that the bucket holds; at least 1.
    pub burst: u64,
}

/// One bucket of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketRule {
    /// Whose requests.
    pub per: BucketOwner,
    /// How many.
    pub limit: Limit,
    /// Counted how.
    pub algorithm: BucketAlgorithm,
    /// Counted when.
    pub when: ChargeCondition,
    /// How replicas share it; none: by its rate ([`CountingMode::of`]).
    pub mode: Option<CountingMode>,
}

/// A rate class's number in its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateClassId(pub u16);

/// Which bucket: of whom, in which class, the how-manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId {
    /// Whose.
    pub per: BucketOwner,
    /// The key's or tenant's UUID, or the client's network.
    pub subject: u128,
    /// From the profile's and the class's name, so that a new version of a profile goes on counting.
    pub class_hash: u64,
    /// Among the class's buckets.
    pub index: u8,
}

/// What a call asks of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketCharge {
    /// Which.
    pub bucket: BucketId,
    /// Under which limit.
    pub limit: Limit,
    /// Counted how.
    pub algorithm: BucketAlgorithm,
    /// Counted where, when several replicas count together.
    pub mode: CountingMode,
    /// Whose buckets lie together: the tenant's UUID; for an address bucket its own subject.
    pub shard_key: u128,
}

/// The demands of one call; more than four buckets are rare.
pub type BucketCharges = SmallVec<[BucketCharge; 4]>;

/// What a call takes from each of its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeOptions {
    /// Tokens; zero looks and takes none.
    pub cost: u32,
    /// Take nothing, and answer whether there would be room.
    pub dry_run: bool,
}

/// The result of charging several buckets together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeResult {
    /// Whether every bucket had room. Nothing was taken from any where one had none.
    pub granted: bool,
    /// The buckets afterwards.
    pub levels: Levels,
}

/// Whole seconds, rounded up: what `Retry-After` says (RFC 9110 section 10.2.3).
#[must_use]
pub fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The bucket subject of a client address: IPv6 counts by /64, since that is what one client is given.
#[must_use]
pub fn network_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) | (1 << 127),
    }
}
