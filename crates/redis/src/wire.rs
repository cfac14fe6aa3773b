//! The script's words and its answer, as `spend.lua` says them. The arithmetic of an answer is core's.

use std::time::Duration;

use latchkey_core::limit::{Algorithm, Demand, Level, capacity, token};
use redis::{Cmd, Script, cmd};

use crate::key;

const TEXT: &str = include_str!("spend.lua");

/// What a bucket is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its count, this once.
    Exact,
    /// A batch, of which this call is the first use.
    Lease(Held, u64),
    /// To take a batch back.
    GiveBack(Held),
    /// To take back what a call has just spent, of the bucket that was made then.
    Undo(u64),
}

/// A batch as its holder accounts for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Which bucket's it is, by when that was made.
    pub(crate) made: u64,
    /// When it was taken.
    pub(crate) epoch: u64,
    /// Tokens that were spent since it was taken.
    pub(crate) used: u64,
    /// Tokens that are left of it.
    pub(crate) left: u64,
}

/// The script's words: itself, or its hash.
pub(crate) struct Words {
    hash: String,
}

impl Words {
    pub(crate) fn new() -> Self {
        Self { hash: Script::new(TEXT).get_hash().to_owned() }
    }

    /// A call's question, for a server that has the script.
    pub(crate) fn by_hash(&self, asks: &[(Demand, Kind)], cost: u32, look: bool) -> Cmd {
        question("EVALSHA", &self.hash, (asks, cost, look))
    }
}

/// A call's question, for one that hasn't.
pub(crate) fn whole(asks: &[(Demand, Kind)], cost: u32, look: bool) -> Cmd {
    question("EVAL", TEXT, (asks, cost, look))
}

fn question(by: &str, script: &str, (asks, cost, look): (&[(Demand, Kind)], u32, bool)) -> Cmd {
    let mut command = cmd(by);
    command.arg(script).arg(asks.len());
    for (demand, _) in asks {
        command.arg(key::of(demand));
    }
    command.arg(u8::from(look)).arg(cost);
    for (demand, kind) in asks {
        let rate = Rate::of(demand);
        let (word, held, want) = match kind {
            Kind::Exact => ("x", Held::default(), 0),
            Kind::Lease(held, want) => ("l", *held, *want),
            Kind::GiveBack(held) => ("g", *held, 0),
            Kind::Undo(made) => ("u", Held { made: *made, ..Held::default() }, 0),
        };
        let window = u8::from(demand.algorithm == Algorithm::FixedWindow);
        command.arg(word).arg(rate.tokens).arg(rate.micros).arg(rate.most).arg(window);
        command.arg(held.made).arg(held.epoch).arg(held.used).arg(held.left).arg(want);
    }
    command
}

/// A limit in the script's units: `tokens` come back in `micros`, in lowest terms.
struct Rate {
    tokens: u64,
    micros: u64,
    most: u64,
    /// What a fraction of one is in core's parts.
    parts: u128,
}

impl Rate {
    fn of(demand: &Demand) -> Self {
        let limit = demand.limit;
        let micros = u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX);
        let by = match demand.algorithm {
            Algorithm::TokenBucket => common(limit.tokens, micros),
            Algorithm::FixedWindow => 1,
        };
        let most = capacity(limit, demand.algorithm) / token(limit);
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        Self { tokens: limit.tokens / by, micros: micros / by, most, parts: u128::from(by) * 1_000 }
    }
}

/// The greatest number that divides both.
fn common(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common(b, a % b) }
}

/// What the script says of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// What the bucket holds, in core's parts.
    pub(crate) parts: u128,
    /// What is left of its window.
    pub(crate) left: Duration,
    /// The batch that is the asker's now; nothing of it is used.
    pub(crate) batch: Held,
    /// How long the batch may be spent.
    pub(crate) life: Duration,
}

impl State {
    /// The bucket's level, with `more` tokens that the asker holds.
    pub(crate) fn level(&self, demand: &Demand, more: u64, cost: u64) -> Level {
        level(demand, self.parts, (more, self.left), cost)
    }
}

/// The level of a bucket of which some tokens lie with the asker.
pub(crate) fn level(demand: &Demand, parts: u128, (more, left): (u64, Duration), cost: u64) -> Level {
    let all = parts.saturating_add(u128::from(more) * token(demand.limit));
    Level::of(demand, all.min(capacity(demand.limit, demand.algorithm)), left, cost)
}

/// How many numbers the script says of a bucket.
const NUMBERS: usize = 7;

/// Reads an answer; none where it isn't one.
pub(crate) fn answer(asks: &[(Demand, Kind)], numbers: &[i64]) -> Option<(bool, Vec<State>)> {
    let (granted, rest) = numbers.split_first()?;
    if rest.len() != asks.len() * NUMBERS {
        return None;
    }
    let states = rest.chunks_exact(NUMBERS).zip(asks).map(|(numbers, (demand, _))| state(demand, numbers));
    Some((*granted == 1, states.collect()))
}

fn state(demand: &Demand, numbers: &[i64]) -> State {
    let number = |place: usize| numbers.get(place).map_or(0, |n| u64::try_from(*n).unwrap_or(0));
    let parts = u128::from(number(0)) * token(demand.limit) + u128::from(number(1)) * Rate::of(demand).parts;
    State {
        parts,
        left: Duration::from_micros(number(2)),
        batch: Held { left: number(3), made: number(4), epoch: number(5), used: 0 },
        life: Duration::from_micros(number(6)),
    }
}
