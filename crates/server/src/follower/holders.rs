//! The other replicas, as this one has seen them: which of them may still trust a state from before a revision, and
//! until when. Only this process's own monotonic clock is used, and no row alone is proof:
//!
//! - A replica trusts its cache for one lease after the start of a heartbeat that was committed. A row that is
//!   unchanged for a lease therefore belongs to a replica that trusts nothing any more.
//! - A row that changes in any other way than its replica changes it (it is deleted, its checksum is wrong, an earlier
//!   state of it is restored) proves nothing. The replica is waited for as if it had sent a heartbeat at that time.
//! - If rows were added or deleted by another program, there may be replicas without a row. They are waited for
//!   for the longest lease that was ever registered; if the counts were altered, for the longest that is permitted.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_core::ports::{Announcement, Fleet, FleetCounts, ReplicaRow};
use latchkey_core::time::MonotonicInstant;

/// Longest lease that the settings permit, for rows that announce none.
pub(crate) const LONGEST_LEASE: Duration = Duration::from_mins(10);
/// Part of a lease by which it is waited for longer, since clocks run at different rates. Crystals differ by less than
/// 0.1 %, clocks that NTP slews by 0.05 %; this is 1.6 %.
const RATE_MARGIN: u32 = 64;
/// Time for which the row of a replica that trusts nothing any more is kept, for people to see.
const REMOVAL_DELAY: Duration = Duration::from_mins(1);

/// Replicas that have been seen.
#[derive(Debug, Default)]
pub(crate) struct HolderTable {
    holders: HashMap<Box<str>, Holder>,
    /// Replicas that may exist without a row.
    unknown: Option<Unknown>,
    /// Timeline of the database that the rows were read from.
    timeline: Option<Box<str>>,
}

/// Replicas that may exist without a row, since the counts do not fit the rows.
#[derive(Debug)]
struct Unknown {
    /// Time at which the counts and the number of rows were first seen as they are.
    since: MonotonicInstant,
    counts: (Option<FleetCounts>, usize),
    /// The longest lease that was ever registered, with the margin.
    lease: Duration,
}

/// Another replica.
#[derive(Debug)]
struct Holder {
    /// The row, as it was last listed.
    row: ReplicaRow,
    /// False if the row was not in the newest list.
    listed: bool,
    /// Time at which the row was first seen in its present state.
    since: MonotonicInstant,
    /// Time for which the replica may trust its cache after a heartbeat, with the margin.
    lease: Duration,
}

/// Result of recording a list of rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    /// Rows that can be deleted, by identifier and counter of heartbeats.
    pub(crate) removable: Vec<(Box<str>, u64)>,
    /// True if the number of rows can be taken as right: replicas without a row trust nothing any more.
    pub(crate) count_settled: bool,
    /// Identifiers of rows that are not as their replicas wrote them, where this was not known before.
    pub(crate) altered: Vec<Box<str>>,
    /// True if rows were found to be missing, or to be too many, for the first time.
    pub(crate) newly_incomplete: bool,
}

/// Returns a lease with the margin for clock rates.
pub(crate) fn with_margin(lease: Duration) -> Duration {
    lease.saturating_add(lease / RATE_MARGIN)
}

impl HolderTable {
    /// Records a list of rows; `own` is this replica's identifier.
    pub(crate) fn observe(&mut self, fleet: &Fleet, own: &str, now: MonotonicInstant) -> Observation {
        let mut seen = Observation::default();
        if self.timeline != fleet.timeline {
            self.restart(now);
            self.timeline.clone_from(&fleet.timeline);
        }
        let others = || fleet.rows.iter().filter(|row| *row.replica.id != *own);
        for (id, holder) in &mut self.holders {
            if holder.listed && !others().any(|row| row.replica.id == *id) {
                (holder.listed, holder.since) = (false, now);
            }
        }
        for row in others() {
            self.observe_row(row, fleet, now, &mut seen);
        }
        self.holders.retain(|_, holder| holder.listed || !holder.is_over(now));
        self.observe_count(fleet, now, &mut seen);
        seen
    }

    /// Counts every time from now on: after a failover, a row may be in a state from before its newest heartbeat.
    fn restart(&mut self, now: MonotonicInstant) {
        for holder in self.holders.values_mut().filter(|holder| !holder.row.departed) {
            holder.since = now;
        }
        if let Some(unknown) = &mut self.unknown {
            unknown.since = now;
        }
    }

    fn observe_row(
        &mut self,
        row: &ReplicaRow,
        fleet: &Fleet,
        now: MonotonicInstant,
        seen: &mut Observation,
    ) {
        let id = &row.replica.id;
        let lease = row.announced.map_or_else(|| longest(fleet), |announced| announced.lease);
        let lease = with_margin(lease);
        let known = self.holders.get(id);
        let same = known.is_some_and(|holder| holder.listed && is_same(&holder.row, row));
        if row.announced.is_none() && known.is_none_or(|holder| holder.row.announced.is_some()) {
            seen.altered.push(id.clone());
        }
        if !same {
            // An altered row proves nothing about the lease; the one that was announced before stays in force.
            let before = known.filter(|holder| holder.row.announced.is_some()).map(|holder| holder.lease);
            let lease = match (before, row.announced) {
                // A replica that has left trusts nothing. Its row stays for a while, so that every other one sees this.
                _ if row.departed => Duration::ZERO,
                (Some(before), None) => before,
                (Some(before), Some(_)) => before.max(lease),
                (None, _) => lease,
            };
            let holder = Holder { row: row.clone(), listed: true, since: now, lease };
            self.holders.insert(id.clone(), holder);
        } else if known.is_some_and(|holder| now > holder.end().plus(REMOVAL_DELAY)) {
            seen.removable.push((id.clone(), row.beat));
        }
    }

    fn observe_count(&mut self, fleet: &Fleet, now: MonotonicInstant, seen: &mut Observation) {
        let incomplete = fleet.is_incomplete();
        let counts = (fleet.counts, fleet.rows.len());
        if let Some(unknown) = &self.unknown
            && (!incomplete || unknown.counts == counts)
        {
            let over = now >= unknown.since.plus(unknown.lease);
            seen.count_settled = over && incomplete;
            if over && !incomplete {
                self.unknown = None;
            }
        } else if incomplete {
            // Counts that change while they do not fit may hide a replica that registered again.
            let lease = longest(fleet);
            seen.newly_incomplete = self.unknown.is_none();
            self.unknown = Some(Unknown { since: now, counts, lease: with_margin(lease) });
        }
    }

    /// Returns when the last replica ends its trust in a state that is not `applied` yet, for a writer that has waited
    /// since `began`, which is after its commit; `None` if no replica trusts such a state now.
    pub(crate) fn pending(
        &self,
        began: MonotonicInstant,
        now: MonotonicInstant,
        applied: impl Fn(&Announcement) -> bool,
    ) -> Option<MonotonicInstant> {
        // Whatever a replica does, a round that began before the commit extends its lease no further than this, and a
        // round that began later has read the change.
        let end = |since: MonotonicInstant, lease: Duration| since.min(began).plus(lease);
        let behind = |holder: &&Holder| !holder.row.announced.as_ref().is_some_and(&applied);
        let known = self.holders.values().filter(behind).map(|holder| end(holder.since, holder.lease));
        let unknown = self.unknown.as_ref().map(|unknown| end(unknown.since, unknown.lease));
        known.chain(unknown).filter(|end| *end > now).max()
    }

    /// Returns the number of other replicas that may trust their caches.
    pub(crate) fn count(&self, now: MonotonicInstant) -> u64 {
        self.holders.values().filter(|holder| !holder.is_over(now)).count() as u64
    }
}

impl Holder {
    fn end(&self) -> MonotonicInstant {
        self.since.plus(self.lease)
    }

    fn is_over(&self, now: MonotonicInstant) -> bool {
        now >= self.end()
    }
}

/// Returns the longest lease that a replica can have. A registration makes the stored one that of the replica at least: if a
/// row announces a longer one, or none is stored, another program has altered it.
fn longest(fleet: &Fleet) -> Duration {
    let announced = fleet.rows.iter().filter_map(|row| row.announced).map(|announced| announced.lease).max();
    let altered = announced.is_some_and(|announced| announced > fleet.longest_lease);
    if altered || fleet.longest_lease.is_zero() { LONGEST_LEASE } else { fleet.longest_lease }
}

/// Returns whether a row is unchanged; a challenge does not count as a change if rows have no versions. If they have, a
/// row that was restored to an earlier state of itself has changed: its replica may have sent a heartbeat in between.
fn is_same(before: &ReplicaRow, row: &ReplicaRow) -> bool {
    ReplicaRow { challenged: row.challenged, ..before.clone() } == *row
}

#[cfg(test)]
mod tests;
