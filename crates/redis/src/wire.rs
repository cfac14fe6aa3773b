//! Encoding of the arguments and the response of `charge.lua`. The arithmetic of levels is core's.

use std::time::Duration;

use latchkey_core::limit::{BucketAlgorithm, BucketCharge, Level, capacity, parts_per_token};
use redis::{Cmd, Script, cmd};

use crate::key;

const SCRIPT: &str = include_str!("charge.lua");

/// An operation on a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BucketOp {
    /// Charges the call's cost once.
    Exact,
    /// Takes a lease, from which this call is charged first.
    Lease(LeasedTokens, u64),
    /// Returns a lease.
    Return(LeasedTokens),
    /// Returns a call's charge to the bucket that was created at the given time.
    Undo(u64),
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

fn command(by: &str, script: &str, operations: &[(BucketCharge, BucketOp)], cost: u32, look: bool) -> Cmd {
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
            BucketOp::Undo(made) => ("u", LeasedTokens { made: *made, ..LeasedTokens::default() }, 0),
        };
        let window = u8::from(demand.algorithm == BucketAlgorithm::FixedWindow);
        command.arg(word).arg(rate.tokens).arg(rate.micros).arg(rate.most).arg(window);
        command.arg(held.made).arg(held.epoch).arg(held.used).arg(held.left).arg(want);
    }
    command
}

/// A limit in the script's units: `tokens` refill in `micros` microseconds, in lowest terms.
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
        let micros = u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX);
        let by = match demand.algorithm {
            BucketAlgorithm::TokenBucket => gcd(limit.tokens, micros),
            BucketAlgorithm::FixedWindow => 1,
        };
        let most = capacity(limit, demand.algorithm) / parts_per_token(limit);
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Self { tokens: limit.tokens / by, micros: micros / by, most, parts: u128::from(by) * 1_000 }
    }
}

/// Returns the greatest common divisor.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// State of one bucket in the script's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketState {
    /// Level of the bucket, in core's parts.
    pub(crate) parts: u128,
    /// Remaining time of the bucket's window.
    pub(crate) left: Duration,
    /// The caller's lease, of which no token is used yet.
    pub(crate) lease: LeasedTokens,
    /// Validity of the lease.
    pub(crate) life: Duration,
}

impl BucketState {
    /// Returns the bucket's level, with `more` tokens that the caller holds.
    pub(crate) fn level(&self, demand: &BucketCharge, more: u64, cost: u64) -> Level {
        level(demand, self.parts, more, self.left, cost)
    }
}

/// Returns the level of a bucket of which the caller holds some tokens.
pub(crate) fn level(demand: &BucketCharge, parts: u128, more: u64, left: Duration, cost: u64) -> Level {
    let all = parts.saturating_add(u128::from(more) * parts_per_token(demand.limit));
    Level::of(demand, all.min(capacity(demand.limit, demand.algorithm)), left, cost)
}

/// Number of integers for each bucket in the response.
const NUMBERS: usize = 7;

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
    let states =
        rest.chunks_exact(NUMBERS).zip(operations).map(|(numbers, (demand, _))| state(demand, numbers));
    Some(Reply { granted: *granted == 1, states: states.collect(), time: *time })
}

fn state(demand: &BucketCharge, numbers: &[i64]) -> BucketState {
    let number = |place: usize| numbers.get(place).map_or(0, |n| u64::try_from(*n).unwrap_or(0));
    let parts = u128::from(number(0)) * parts_per_token(demand.limit)
        + u128::from(number(1)) * Rate::of(demand).parts;
    BucketState {
        parts,
        left: Duration::from_micros(number(2)),
        lease: LeasedTokens { left: number(3), made: number(4), epoch: number(5), used: 0 },
        life: Duration::from_micros(number(6)),
    }
}
