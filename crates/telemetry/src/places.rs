//! Where Checks are counted: every thread has a place of its own, on cache lines of its own, so that counting is
//! an addition that nobody else waits for. A profile's table is made in a place when it is first needed there,
//! and never moves; nothing else is allocated.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latchkey_core::decision::{Lookups, Source};
use latchkey_core::reason::Reason;
use latchkey_core::thread;
use latchkey_core::trouble::Trouble;
use latchkey_core::witness::{Door, Outcome};

use super::catalogue::CHECK_BOUNDS;
use super::profiles;

/// Threads beyond that share places.
const PLACES: usize = 16;
const DOORS: usize = Door::ALL.len();
const SOURCES: usize = Source::ALL.len();
/// Allowed, each reason, unreadable, outage, fault.
const ENDS: usize = Reason::ALL.len() + 4;
const CELLS: usize = ENDS * SOURCES * DOORS;
const SLICES: usize = CHECK_BOUNDS.len() + 1;

type Table = [AtomicU64; CELLS];

/// How often a time fell between the bounds, and all of it together in nanoseconds.
struct Times {
    slices: [AtomicU64; SLICES],
    nanos: AtomicU64,
}

#[repr(align(128))]
struct Place {
    tables: [OnceLock<Box<Table>>; profiles::SLOTS],
    times: [Times; DOORS * SOURCES],
    /// Hits, absent ones, misses.
    lookups: [AtomicU64; 3],
}

impl Place {
    fn new() -> Self {
        let times = || Times { slices: std::array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) };
        Self {
            tables: std::array::from_fn(|_| OnceLock::new()),
            times: std::array::from_fn(|_| times()),
            lookups: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// A Check, as it is counted.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'a> {
    pub(crate) profile: usize,
    pub(crate) outcome: Outcome<'a>,
    pub(crate) source: Source,
    pub(crate) door: Door,
    pub(crate) took: Duration,
    pub(crate) lookups: Lookups,
}

/// All places.
pub(crate) struct Places(Box<[Place]>);

impl Places {
    pub(crate) fn new() -> Self {
        Self((0..PLACES).map(|_| Place::new()).collect())
    }

    /// Counts a Check.
    pub(crate) fn count(&self, counted: &Counted<'_>) {
        let Counted { profile, outcome, source, door, took, lookups } = *counted;
        let place = &self.0[thread::number() % PLACES];
        let table =
            place.tables[profile].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        let _ = table[cell(end(outcome), source, door)].fetch_add(1, Relaxed);
        let times = &place.times[slot(source, door)];
        let _ = times.slices[slice(took)].fetch_add(1, Relaxed);
        let _ = times.nanos.fetch_add(latchkey_core::time::nanos(took), Relaxed);
        let seen = [lookups.hits, lookups.absent, lookups.misses];
        for (sum, new) in place.lookups.iter().zip(seen).filter(|(_, new)| *new > 0) {
            let _ = sum.fetch_add(new.into(), Relaxed);
        }
    }

    /// How many Checks of a profile ended so, for each end that there was: its place in [`ends`], source, door.
    pub(crate) fn checks(&self, profile: usize, mut tell: impl FnMut(&'static End, Source, Door, u64)) {
        let tables: Vec<&Table> =
            self.0.iter().filter_map(|p| p.tables[profile].get().map(|t| &**t)).collect();
        if tables.is_empty() {
            return;
        }
        for (number, end) in ends().iter().enumerate() {
            for (source, door) in both() {
                let sum = tables.iter().map(|t| t[cell(number, source, door)].load(Relaxed)).sum();
                if sum > 0 {
                    tell(end, source, door, sum);
                }
            }
        }
    }

    /// How long Checks took, by source and door: how often between the bounds, and seconds in all.
    pub(crate) fn times(&self, mut tell: impl FnMut(Source, Door, Vec<u64>, f64)) {
        for (source, door) in both() {
            let times = || self.0.iter().map(|place| &place.times[slot(source, door)]);
            let slices: Vec<u64> =
                (0..SLICES).map(|n| times().map(|t| t.slices[n].load(Relaxed)).sum()).collect();
            let nanos = times().map(|t| t.nanos.load(Relaxed)).sum();
            if slices.iter().any(|count| *count > 0) {
                tell(source, door, slices, Duration::from_nanos(nanos).as_secs_f64());
            }
        }
    }

    /// Hits, absent ones and misses.
    pub(crate) fn lookups(&self) -> [u64; 3] {
        std::array::from_fn(|n| self.0.iter().map(|place| place.lookups[n].load(Relaxed)).sum())
    }
}

/// What a Check came to, in the words of the labels: outcome and reason.
pub(crate) type End = (&'static str, &'static str);

fn ends() -> &'static [End; ENDS] {
    static ALL: OnceLock<[End; ENDS]> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = [("allowed", "OK"); ENDS];
        let denied = Reason::ALL.iter().map(|reason| ("denied", reason.name()));
        let rest = [("denied", "UNREADABLE"), ("error", "OUTAGE"), ("error", "FAULT")];
        all[1..].iter_mut().zip(denied.chain(rest)).for_each(|(place, end)| *place = end);
        all
    })
}

/// The place in [`ends`].
fn end(outcome: Outcome<'_>) -> usize {
    match outcome {
        Outcome::Allowed => 0,
        Outcome::Denied(denial) => 1 + denial.reason as usize,
        Outcome::Unreadable => ENDS - 3,
        Outcome::Troubled(Trouble::Outage { .. }) => ENDS - 2,
        Outcome::Troubled(Trouble::Fault(_)) => ENDS - 1,
    }
}

fn both() -> impl Iterator<Item = (Source, Door)> {
    Source::ALL.into_iter().flat_map(|source| Door::ALL.map(|door| (source, door)))
}

fn slot(source: Source, door: Door) -> usize {
    source as usize * DOORS + door as usize
}

fn cell(end: usize, source: Source, door: Door) -> usize {
    end * SOURCES * DOORS + slot(source, door)
}

/// The place between the bounds.
fn slice(took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    CHECK_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(CHECK_BOUNDS.len())
}

#[cfg(test)]
mod tests {
    use latchkey_core::decision::Denial;

    use super::*;

    fn counted(outcome: Outcome<'_>, took: Duration) -> Counted<'_> {
        let lookups = Lookups { hits: 1, absent: 0, misses: 0 };
        Counted { profile: 3, outcome, source: Source::Memory, door: Door::Envoy, took, lookups }
    }

    #[test]
    fn every_end_is_counted_under_its_own_name() {
        let places = Places::new();
        let denials: Vec<Denial> = Reason::ALL.iter().map(|reason| Denial::plain(*reason)).collect();
        let (outage, fault) = (Trouble::database(), Trouble::Fault(String::new()));
        let rest =
            [Outcome::Allowed, Outcome::Unreadable, Outcome::Troubled(&outage), Outcome::Troubled(&fault)];
        for outcome in denials.iter().map(Outcome::Denied).chain(rest) {
            places.count(&counted(outcome, Duration::ZERO));
            let mut found = Vec::new();
            places.checks(3, |end, source, door, count| found.push((end.1, source, door, count)));
            assert!(found.contains(&(outcome.reason(), Source::Memory, Door::Envoy, 1)), "{outcome:?}");
        }
        let mut other = 0;
        places.checks(4, |_, _, _, _| other += 1);
        assert_eq!((other, places.lookups()), (0, [19, 0, 0]));
    }

    #[test]
    fn a_time_on_a_bound_is_within_it() {
        let places = Places::new();
        for nanos in [0, 10_000, 10_001, 1_000_000_000, 1_000_000_001] {
            places.count(&counted(Outcome::Allowed, Duration::from_nanos(nanos)));
        }
        let mut told = Vec::new();
        places.times(|_, _, slices, sum| told.push((slices, sum)));
        let (slices, sum) = &told[0];
        assert_eq!((slices[0], slices[1], slices[14], slices[15], told.len()), (2, 1, 1, 1, 1));
        assert!((sum - 2.000_020_002).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn threads_count_beside_each_other_and_nothing_is_lost() {
        let places = Places::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    (0..500).for_each(|_| places.count(&counted(Outcome::Allowed, Duration::ZERO)));
                });
            }
        });
        let mut sum = 0;
        places.checks(3, |_, _, _, count| sum += count);
        assert_eq!(sum, 10_000);
    }
}
