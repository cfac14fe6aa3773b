//! Counters of one key in one shard. Needed scopes are kept as bits of the profile's present version; when
//! the profile changes, they are converted by name.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::policy::Policy;
use crate::ports::usage::{CallCounts, Hour, KeyUseEvent, KeyUseTotals, UseOutcome};
use crate::reason::Reason;
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// Most hours of one key that are counted before a collection: two days without a database.
const MAX_HOURS: usize = 48;

pub(super) struct KeyCounter {
    policy: Arc<Policy>,
    needed: ScopeSet,
    last: Option<Timestamp>,
    hours: SmallVec<[HourCounter; 1]>,
}

struct HourCounter {
    hour: Hour,
    allowed: u64,
    denied: [u32; Reason::ALL.len()],
}

impl KeyCounter {
    pub(super) fn new(policy: &Arc<Policy>) -> Self {
        let (needed, hours) = (ScopeSet::default(), SmallVec::new());
        Self { policy: Arc::clone(policy), needed, last: None, hours }
    }

    /// Adds one use and returns whether there was room for it.
    pub(super) fn add(&mut self, event: &KeyUseEvent<'_>) -> bool {
        if !Arc::ptr_eq(&self.policy, event.policy) {
            self.renumber(event.policy);
        }
        let reason = match event.outcome {
            UseOutcome::Allowed => None,
            UseOutcome::Denied(reason) => Some(reason),
            UseOutcome::Managed => {
                self.add_success(event);
                return true;
            }
        };
        if reason.is_none() {
            self.add_success(event);
        }
        let Some(counter) = self.counter(Hour::of(event.at)) else { return false };
        match reason {
            None => counter.allowed += 1,
            Some(reason) => {
                let count = &mut counter.denied[reason as usize];
                *count = count.saturating_add(1);
            }
        }
        true
    }

    fn add_success(&mut self, event: &KeyUseEvent<'_>) {
        self.last = self.last.max(Some(event.at));
        if !self.needed.covers(event.needed) {
            self.needed.extend(event.needed);
        }
    }

    fn counter(&mut self, hour: Hour) -> Option<&mut HourCounter> {
        let index = match self.hours.iter().rposition(|counter| counter.hour == hour) {
            Some(index) => index,
            None if self.hours.len() < MAX_HOURS => {
                self.hours.push(HourCounter { hour, allowed: 0, denied: [0; Reason::ALL.len()] });
                self.hours.len() - 1
            }
            None => return None,
        };
        self.hours.get_mut(index)
    }

    fn renumber(&mut self, policy: &Arc<Policy>) {
        let names: Vec<&str> = self.policy.scopes.names(&self.needed).collect();
        self.needed = policy.scopes.resolve(&names);
        self.policy = Arc::clone(policy);
    }

    /// Returns the counts as they are stored.
    pub(super) fn totals(&self) -> KeyUseTotals {
        let calls = |counter: &HourCounter| {
            let counts =
                Reason::ALL.iter().map(|reason| (*reason, u64::from(counter.denied[*reason as usize])));
            let denied = counts.filter(|(_, count)| *count > 0).collect();
            CallCounts { allowed: counter.allowed, denied, ..CallCounts::default() }
        };
        KeyUseTotals {
            last: self.last,
            scopes: self.policy.scopes.names(&self.needed).map(Into::into).collect(),
            hours: self.hours.iter().map(|counter| (counter.hour, calls(counter))).collect(),
        }
    }
}
