//! What one place counts of one key. Scopes are bits as long as the profile stays the same; when it changes, they
//! are numbered anew, by their names.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::policy::Policy;
use crate::ports::usage::{Calls, Deed, Hour, KeyUse, Use};
use crate::reason::Reason;
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// Hours of one key that are counted before they are collected: two days, where nothing can be written.
const MOST: usize = 48;

pub(super) struct Count {
    policy: Arc<Policy>,
    needed: ScopeSet,
    last: Option<Timestamp>,
    hours: SmallVec<[Tally; 1]>,
}

struct Tally {
    hour: Hour,
    allowed: u64,
    denied: [u32; Reason::ALL.len()],
}

impl Count {
    pub(super) fn new(policy: &Arc<Policy>) -> Self {
        let (needed, hours) = (ScopeSet::default(), SmallVec::new());
        Self { policy: Arc::clone(policy), needed, last: None, hours }
    }

    /// Adds one use; answers whether there was room for it.
    pub(super) fn add(&mut self, used: &Use<'_>) -> bool {
        if !Arc::ptr_eq(&self.policy, used.policy) {
            self.renumber(used.policy);
        }
        let reason = match used.deed {
            Deed::Allowed => None,
            Deed::Denied(reason) => Some(reason),
            Deed::Managed => {
                self.passed(used);
                return true;
            }
        };
        if reason.is_none() {
            self.passed(used);
        }
        let Some(tally) = self.tally(Hour::of(used.at)) else { return false };
        match reason {
            None => tally.allowed += 1,
            Some(reason) => {
                let count = &mut tally.denied[reason as usize];
                *count = count.saturating_add(1);
            }
        }
        true
    }

    fn passed(&mut self, used: &Use<'_>) {
        self.last = self.last.max(Some(used.at));
        if !self.needed.covers(used.needed) {
            self.needed.extend(used.needed);
        }
    }

    fn tally(&mut self, hour: Hour) -> Option<&mut Tally> {
        let place = match self.hours.iter().rposition(|tally| tally.hour == hour) {
            Some(place) => place,
            None if self.hours.len() < MOST => {
                self.hours.push(Tally { hour, allowed: 0, denied: [0; Reason::ALL.len()] });
                self.hours.len() - 1
            }
            None => return None,
        };
        self.hours.get_mut(place)
    }

    fn renumber(&mut self, policy: &Arc<Policy>) {
        let names: Vec<&str> = self.policy.scopes.names(&self.needed).collect();
        self.needed = policy.scopes.known(&names);
        self.policy = Arc::clone(policy);
    }

    /// As it is handed on.
    pub(super) fn told(&self) -> KeyUse {
        let calls = |tally: &Tally| {
            let counts =
                Reason::ALL.iter().map(|reason| (*reason, u64::from(tally.denied[*reason as usize])));
            Calls { allowed: tally.allowed, denied: counts.filter(|(_, count)| *count > 0).collect() }
        };
        KeyUse {
            last: self.last,
            scopes: self.policy.scopes.names(&self.needed).map(Into::into).collect(),
            hours: self.hours.iter().map(|tally| (tally.hour, calls(tally))).collect(),
        }
    }
}
