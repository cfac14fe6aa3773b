//! Encoding of the arguments and the response of `charge.lua`. The arithmetic of levels is core's.

use std::time::Duration;

use latchkey_core::limit::{
    BucketAlgorithm, BucketCharge, Level, Waits, capacity, fraction_unit, parts_per_token, size,
};
use redis::{Cmd, Script, cmd};

use crate::key;

pub(crate) const SCRIPT: &str = include_str!("charge.lua");

/// An operation on a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BucketOp {
    /// Charges the call's cost once.
    Exact,
    /// Takes a lease, from which this call is charged first.
    Lease(LeasedTokens, u64),
    /// Returns a lease.
    Return(LeasedTokens),
    /// Returns a call's charge.
    Undo {
        /// Creation time of the bucket.
        made: u64,
        /// Time of the charge, in microseconds since the Unix epoch.
        charged_at: u64,
    },
}

/// A lease as reported by its holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeasedTokens {
    /// Creation time of the bucket, which identifies it.
    pub(crate) made: u64,
    /// Epoch in which the lease was taken.
    pub(crate) epoch: u64,
    /// Tokens spent from the lease.
    pub(crate) used: u64,
    /// Tokens left in the lease.
    pub(crate) left: u64,
}

/// The script, run by its text or its hash.
pub(crate) struct ScriptHandle {
    hash: String,
}

impl ScriptHandle {
    pub(crate) fn new() -> Self {
        Self { hash: Script::new(SCRIPT).get_hash().to_owned() }
    }

    /// Returns a call's command for a server that has the script.
    pub(crate) fn by_hash(&self, operations: &[(BucketCharge, BucketOp)], cost: u32, look: bool) -> Cmd {
        command("EVALSHA", &self.hash, operations, cost, look)
    }
}

/// Returns a call's command for a server that does not have the script.
pub(crate) fn by_text(operations: &[(BucketCharge, BucketOp)], cost: u32, look: bool) -> Cmd {
    command("EVAL", SCRIPT, operations, cost, look)
}

pub(crate) fn command(
    by: &str,
    script: &str,
    operations: &[(BucketCharge, BucketOp)],
    cost: u32,
    look: bool,
) -> Cmd {
    let mut command = cmd(by);
    command.arg(script).arg(operations.len());
    for (demand, _) in operations {
        command.arg(key::of(demand));
    }
    command.arg(u8::from(look)).arg(cost);
    for (demand, kind) in operations {
        let rate = Rate::of(demand);
        let (word, held, want) = match kind {
            BucketOp::Exact => ("x", LeasedTokens::default(), 0),
            BucketOp::Lease(held, want) => ("l", *held, *want),
            BucketOp::Return(held) => ("g", *held, 0),
            BucketOp::Undo { made, charged_at } => {
                ("u", LeasedTokens { made: *made, epoch: *charged_at, ..LeasedTokens::default() }, 0)
            }
        };
        let algorithm = match demand.algorithm {
            BucketAlgorithm::TokenBucket => 0u8,
            BucketAlgorithm::FixedWindow => 1,
            BucketAlgorithm::SlidingWindow => 2,
        };
        command.arg(word).arg(algorithm).arg(rate.tokens).arg(rate.micros).arg(rate.most);
        command.arg(held.made).arg(held.epoch).arg(held.used).arg(held.left).arg(want);
    }
    command
}

/// A limit in the script's units: `tokens` refill in `micros` microseconds, for a token bucket in lowest terms.
struct Rate {
    tokens: u64,
    micros: u64,
    most: u64,
    /// Number of core's parts in one unit of a fraction.
    parts: u128,
}

impl Rate {
    fn of(demand: &BucketCharge) -> Self {
        let limit = demand.limit;
        let parts = match demand.algorithm {
            BucketAlgorithm::TokenBucket => fraction_unit(limit),
            BucketAlgorithm::FixedWindow | BucketAlgorithm::SlidingWindow => 1_000,
        };
        let by = u64::try_from(parts / 1_000).unwrap_or(u64::MAX);
        let micros = u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX);
        let most = size(limit, demand.algorithm);
        Self { tokens: limit.tokens / by, micros: micros / by, most, parts }
    }
}

/// State of one bucket in the script's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketState {
    /// Parts that are left, without those of the caller's lease; below zero if more is spent than the limit allows.
    pub(crate) parts: i128,
    /// Waiting times that follow from the bucket's state.
    pub(crate) waits: Waits,
    /// The caller's lease, of which no token is used yet.
    pub(crate) lease: LeasedTokens,
    /// Validity of the lease.
    pub(crate) life: Duration,
    /// Time of the response by the server's clock, in microseconds since the Unix epoch.
    pub(crate) at: u64,
}

impl BucketState {
    /// Returns the bucket's level, with `more` tokens that the caller holds.
    pub(crate) fn level(&self, demand: &BucketCharge, more: u64, cost: u64) -> Level {
        level(demand, self.parts, more, self.waits, cost)
    }
}

/// Returns the level of a bucket of which the caller holds some tokens.
pub(crate) fn level(demand: &BucketCharge, parts: i128, more: u64, waits: Waits, cost: u64) -> Level {
    let all = parts.saturating_add(signed(u128::from(more) * parts_per_token(demand.limit)));
    Level::of(demand, all.min(signed(capacity(demand.limit, demand.algorithm))), waits, cost)
}

fn signed(parts: u128) -> i128 {
    i128::try_from(parts).unwrap_or(i128::MAX)
}

/// Number of integers for each bucket in the response.
const NUMBERS: usize = 8;

/// A parsed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// True if every bucket had room.
    pub(crate) granted: bool,
    /// States of the buckets.
    pub(crate) states: Vec<BucketState>,
    /// Time of the server, in microseconds since the Unix epoch.
    pub(crate) time: i64,
}

/// Parses a response; `None` if it is malformed.
pub(crate) fn parse_reply(operations: &[(BucketCharge, BucketOp)], numbers: &[i64]) -> Option<Reply> {
    let (granted, rest) = numbers.split_first()?;
    let (time, rest) = rest.split_last()?;
    if rest.len() != operations.len() * NUMBERS {
        return None;
    }
    let states = rest
        .chunks_exact(NUMBERS)
        .zip(operations)
        .map(|(numbers, (demand, _))| state(demand, numbers, *time));
    Some(Reply { granted: *granted == 1, states: states.collect(), time: *time })
}

fn state(demand: &BucketCharge, numbers: &[i64], time: i64) -> BucketState {
    let number = |place: usize| numbers.get(place).map_or(0, |n| u64::try_from(*n).unwrap_or(0));
    let tokens = i128::from(numbers.first().copied().unwrap_or(0));
    let fraction = signed(u128::from(number(1)) * Rate::of(demand).parts);
    let micros = |place: usize| Duration::from_micros(number(place));
    BucketState {
        parts: tokens.saturating_mul(signed(parts_per_token(demand.limit))).saturating_add(fraction),
        waits: Waits { reset: micros(2), retry: micros(3) },
        lease: LeasedTokens { left: number(4), made: number(5), epoch: number(6), used: 0 },
        life: micros(7),
        at: u64::try_from(time).unwrap_or(0),
    }
}

/// Returns the time in which an empty bucket becomes full; for a window, its length.
pub(crate) fn full_after(demand: &BucketCharge) -> Duration {
    let limit = demand.limit;
    match demand.algorithm {
        BucketAlgorithm::FixedWindow | BucketAlgorithm::SlidingWindow => limit.period,
        BucketAlgorithm::TokenBucket => {
            let burst = u128::from(size(limit, demand.algorithm));
            let nanos = limit.period.as_nanos() * burst / u128::from(limit.tokens.max(1));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        }
    }
}
