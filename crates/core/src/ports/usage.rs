//! Use of keys, as the gate records it, and the batches in which it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shadow::{ShadowCount, ShadowEntryHour};
use crate::decision::{DecisionContext, Denial};
use crate::id::KeyId;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// Outcome of a call that used a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseOutcome {
    /// The call was allowed.
    Allowed,
    /// The call was denied.
    Denied(Reason),
    /// The call was a management call. It counts as a use of the key, and not among its calls.
    Managed,
}

/// A use of a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyUseEvent<'a> {
    /// The key.
    pub key: KeyId,
    /// The time.
    pub at: Timestamp,
    /// The outcome.
    pub outcome: UseOutcome,
    /// Granted scopes that the call needed.
    pub needed: &'a ScopeSet,
    /// The policy that numbers the scopes.
    pub policy: &'a Arc<Policy>,
}

/// Records the use of keys. It is called for every decision, and must not block or fail.
pub trait UsageLog: Send + Sync {
    /// Records a use.
    fn record(&self, event: &KeyUseEvent<'_>);
    /// Records a call that passed because the rule that would have denied it is in shadow.
    fn record_shadow_denial(&self, denial: &Denial, context: &DecisionContext, at: Timestamp);
}

/// Usage log that keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopUsageLog;

impl UsageLog for NoopUsageLog {
    fn record(&self, _: &KeyUseEvent<'_>) {}

    fn record_shadow_denial(&self, _: &Denial, _: &DecisionContext, _: Timestamp) {}
}

/// An hour, as the number of hours since the Unix epoch, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub i64);

const MILLIS_PER_HOUR: i64 = 3_600_000;

impl Hour {
    /// Returns the hour of a time.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(MILLIS_PER_HOUR))
    }

    /// Returns the start of the hour.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MILLIS_PER_HOUR))
    }
}

/// A minute, as the number of minutes since the Unix epoch, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub i64);

const MILLIS_PER_MINUTE: i64 = 60_000;
/// Longest time between two collections whose calls belong to one minute.
const LONGEST_OF_MINUTE: i64 = MILLIS_PER_MINUTE * 3 / 2;

impl Minute {
    /// Number of minutes, with the present one, whose calls are kept.
    pub const KEPT: u32 = 60;

    /// Returns the minute of a time.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(MILLIS_PER_MINUTE))
    }

    /// Returns the start of the minute.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MILLIS_PER_MINUTE))
    }

    /// Returns the minute to which calls belong that were counted between two times: that of the middle. Returns `None` if
    /// much more than a minute lies between them, or if the clock was set back.
    #[must_use]
    pub fn between(from: Timestamp, until: Timestamp) -> Option<Self> {
        let passed = until.0.checked_sub(from.0).filter(|passed| (0..=LONGEST_OF_MINUTE).contains(passed))?;
        Some(Self::of(Timestamp(from.0 + passed / 2)))
    }
}

/// Counts of the calls of an hour or of a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Allowed calls.
    pub allowed: u64,
    /// Denied calls by reason.
    pub denied: BTreeMap<Reason, u64>,
    /// Denied calls that a newer version of the program has stored, by the name of a reason that this version does not
    /// have.
    pub unknown: BTreeMap<Box<str>, u64>,
}

impl CallCounts {
    /// Returns the number of all calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        let denied = self.denied.values().chain(self.unknown.values());
        self.allowed.saturating_add(denied.sum())
    }

    /// Returns the counts of denied calls, with the name of the reason of each.
    pub fn denials(&self) -> impl Iterator<Item = (&str, u64)> {
        let known = self.denied.iter().map(|(reason, count)| (reason.name(), *count));
        known.chain(self.unknown.iter().map(|(reason, count)| (&**reason, *count)))
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        for (reason, count) in &other.denied {
            *self.denied.entry(*reason).or_default() += count;
        }
        for (reason, count) in &other.unknown {
            *self.unknown.entry(reason.clone()).or_default() += count;
        }
    }
}

/// Use of a key, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUseTotals {
    /// Time of the last allowed call.
    pub last: Option<Timestamp>,
    /// Scopes that calls have needed.
    pub scopes: std::collections::BTreeSet<Box<str>>,
    /// Calls by hour.
    pub hours: BTreeMap<Hour, CallCounts>,
}

impl KeyUseTotals {
    /// Adds the use in `other`, from another source or a later time.
    pub fn add(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        self.scopes.extend(other.scopes.iter().cloned());
        for (hour, calls) in &other.hours {
            self.hours.entry(*hour).or_default().add(calls);
        }
    }
}

/// Use of several keys that is stored in one transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UsageBatch {
    /// Number of the batch: 1 for a recorder's first, then one more for each.
    pub number: u64,
    /// Minute of the calls; `None` if they are of several.
    pub minute: Option<Minute>,
    /// Use by key.
    pub uses: BTreeMap<KeyId, KeyUseTotals>,
    /// Calls that would have been denied outside of shadow mode.
    pub shadows: BTreeMap<ShadowEntryHour, ShadowCount>,
}

/// Stored hours of a key, and the batches of a recorder that they include.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredHours {
    /// Number of the recorder's last batch that is included.
    pub batch: u64,
    /// Calls by hour.
    pub hours: BTreeMap<Hour, CallCounts>,
}

/// A range of hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourRange {
    /// First hour; `None` for no limit.
    pub from: Option<Hour>,
    /// Last hour, which is included; `None` for no limit.
    pub last: Option<Hour>,
}

impl HourRange {
    /// Returns whether an hour is in the range.
    #[must_use]
    pub fn contains(&self, hour: Hour) -> bool {
        self.from.is_none_or(|from| from <= hour) && self.last.is_none_or(|last| hour <= last)
    }
}
