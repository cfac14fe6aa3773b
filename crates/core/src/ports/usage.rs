//! Use of keys, as the gate notes it while it decides, and the batches that it is stored in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shadow::{ShadowCount, ShadowEntryHour};
use crate::decision::{DecisionContext, Denial};
use crate::id::KeyId;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseOutcome {
    /// It passed.
    Allowed,
    /// It didn't.
    Denied(Reason),
    /// It was a management call: a use that isn't counted among calls.
    Managed,
}

/// One use of a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyUseEvent<'a> {
    /// The key.
    pub key: KeyId,
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: UseOutcome,
    /// Granted scopes that it needed.
    pub needed: &'a ScopeSet,
    /// The policy that numbers them.
    pub policy: &'a Arc<Policy>,
}

/// Notes use. Called for every decision: it never waits, and never fails.
pub trait UsageLog: Send + Sync {
    /// Notes one use.
    fn record(&self, used: &KeyUseEvent<'_>);
    /// Notes a call that passed, since what would have denied it is in shadow.
    fn record_shadow_denial(&self, denial: &Denial, context: &DecisionContext, at: Timestamp);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopUsageLog;

impl UsageLog for NoopUsageLog {
    fn record(&self, _: &KeyUseEvent<'_>) {}

    fn record_shadow_denial(&self, _: &Denial, _: &DecisionContext, _: Timestamp) {}
}

/// An hour: how many have passed since the epoch, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub i64);

const MILLIS: i64 = 3_600_000;

impl Hour {
    /// The hour of a moment.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(MILLIS))
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MILLIS))
    }
}

/// Calls of an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// That passed.
    pub allowed: u64,
    /// That didn't, by reason.
    pub denied: BTreeMap<Reason, u64>,
}

impl CallCounts {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        for (reason, count) in &other.denied {
            *self.denied.entry(*reason).or_default() += count;
        }
    }
}

/// What is known of a key's use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUseTotals {
    /// When it last passed.
    pub last: Option<Timestamp>,
    /// Scopes that it ever needed.
    pub scopes: std::collections::BTreeSet<Box<str>>,
    /// Its calls, by hour.
    pub hours: BTreeMap<Hour, CallCounts>,
}

impl KeyUseTotals {
    /// Adds what was seen elsewhere, or later.
    pub fn add(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        self.scopes.extend(other.scopes.iter().cloned());
        for (hour, calls) in &other.hours {
            self.hours.entry(*hour).or_default().add(calls);
        }
    }
}

/// Use of some keys, to be added to the ledger at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UsageBatch {
    /// 1 for a recorder's first; each is one more than the one before.
    pub number: u64,
    /// By key.
    pub uses: BTreeMap<KeyId, KeyUseTotals>,
    /// Calls that would have been denied.
    pub shadows: BTreeMap<ShadowEntryHour, ShadowCount>,
}

/// A key's hours, and which of a recorder's batches are in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredHours {
    /// The number of the last batch that was added.
    pub batch: u64,
    /// Calls by hour.
    pub hours: BTreeMap<Hour, CallCounts>,
}

/// Which hours are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourRange {
    /// From this one on.
    pub from: Option<Hour>,
    /// Up to this one, which is the last.
    pub last: Option<Hour>,
}

impl HourRange {
    /// Whether an hour is among them.
    #[must_use]
    pub fn contains(&self, hour: Hour) -> bool {
        self.from.is_none_or(|from| from <= hour) && self.last.is_none_or(|last| hour <= last)
    }
}
