//! Counters of Checks. Each thread has a shard on cache lines of its own, so that counting is an uncontended addition.
//! A profile's table is allocated in a shard when it is first needed there, and never moves; nothing else is allocated.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latchkey_core::decision::{DecisionSource, LookupCounts};
use latchkey_core::error::SystemError;
use latchkey_core::observer::{CheckOutcome, Entrypoint};
use latchkey_core::reason::Reason;
use latchkey_core::thread;

use super::definitions::CHECK_BOUNDS;
use super::profile_slots;

/// Number of shards; more threads than that share them.
const SHARDS: usize = 16;
const ENTRYPOINTS: usize = Entrypoint::ALL.len();
const SOURCES: usize = DecisionSource::ALL.len();
/// Number of outcomes: allowed, each reason, malformed, unavailable, internal error.
const OUTCOMES: usize = Reason::ALL.len() + 4;
const CELLS: usize = OUTCOMES * SOURCES * ENTRYPOINTS;
const BUCKETS: usize = CHECK_BOUNDS.len() + 1;

type CheckTable = [AtomicU64; CELLS];

/// Histogram of durations: count of each bucket, and the sum in nanoseconds.
struct DurationHistogram {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

#[repr(align(128))]
struct Shard {
    tables: [OnceLock<Box<CheckTable>>; profile_slots::SLOTS],
    times: [DurationHistogram; ENTRYPOINTS * SOURCES],
    /// Cache lookups: hits, negative hits, misses.
    lookups: [AtomicU64; 3],
}

impl Shard {
    fn new() -> Self {
        let times = || DurationHistogram {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
        };
        Self {
            tables: std::array::from_fn(|_| OnceLock::new()),
            times: std::array::from_fn(|_| times()),
            lookups: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// Properties of a Check that are counted.
#[derive(Clone, Copy)]
pub(crate) struct CheckSample<'a> {
    pub(crate) profile: usize,
    pub(crate) outcome: CheckOutcome<'a>,
    pub(crate) source: DecisionSource,
    pub(crate) entrypoint: Entrypoint,
    pub(crate) took: Duration,
    pub(crate) lookups: LookupCounts,
}

/// Shards of all threads.
pub(crate) struct ShardedCounters(Box<[Shard]>);

impl ShardedCounters {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Shard::new()).collect())
    }

    /// Counts a Check.
    pub(crate) fn count(&self, sample: &CheckSample<'_>) {
        let CheckSample { profile, outcome, source, entrypoint, took, lookups } = *sample;
        let shard = &self.0[thread::thread_index() % SHARDS];
        let table =
            shard.tables[profile].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        let _ = table[cell_index(outcome_index(outcome), source, entrypoint)].fetch_add(1, Relaxed);
        let times = &shard.times[duration_index(source, entrypoint)];
        let _ = times.buckets[bucket_index(took)].fetch_add(1, Relaxed);
        let _ = times.nanos.fetch_add(latchkey_core::time::nanos(took), Relaxed);
        let seen = [lookups.hits, lookups.negative_hits, lookups.misses];
        for (sum, new) in shard.lookups.iter().zip(seen).filter(|(_, new)| *new > 0) {
            let _ = sum.fetch_add(new.into(), Relaxed);
        }
    }

    /// Visits the number of a profile's Checks by outcome, source and entrypoint, leaving out zeros.
    pub(crate) fn checks(
        &self,
        profile: usize,
        mut visit: impl FnMut(&'static OutcomeLabels, DecisionSource, Entrypoint, u64),
    ) {
        let tables: Vec<&CheckTable> =
            self.0.iter().filter_map(|p| p.tables[profile].get().map(|t| &**t)).collect();
        if tables.is_empty() {
            return;
        }
        for (number, end) in outcome_labels().iter().enumerate() {
            for (source, entrypoint) in sources_and_entrypoints() {
                let sum =
                    tables.iter().map(|t| t[cell_index(number, source, entrypoint)].load(Relaxed)).sum();
                if sum > 0 {
                    visit(end, source, entrypoint, sum);
                }
            }
        }
    }

    /// Visits the durations of Checks by source and entrypoint: count of each bucket, and the sum in seconds.
    pub(crate) fn times(&self, mut visit: impl FnMut(DecisionSource, Entrypoint, Vec<u64>, f64)) {
        for (source, entrypoint) in sources_and_entrypoints() {
            let times = || self.0.iter().map(|shard| &shard.times[duration_index(source, entrypoint)]);
            let buckets: Vec<u64> =
                (0..BUCKETS).map(|n| times().map(|t| t.buckets[n].load(Relaxed)).sum()).collect();
            let nanos = times().map(|t| t.nanos.load(Relaxed)).sum();
            if buckets.iter().any(|count| *count > 0) {
                visit(source, entrypoint, buckets, Duration::from_nanos(nanos).as_secs_f64());
            }
        }
    }

    /// Returns the numbers of hits, negative hits and misses.
    pub(crate) fn lookups(&self) -> [u64; 3] {
        std::array::from_fn(|n| self.0.iter().map(|shard| shard.lookups[n].load(Relaxed)).sum())
    }
}

/// Label values of an outcome: `outcome` and `reason`.
pub(crate) type OutcomeLabels = (&'static str, &'static str);

fn outcome_labels() -> &'static [OutcomeLabels; OUTCOMES] {
    static ALL: OnceLock<[OutcomeLabels; OUTCOMES]> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = [("allowed", "OK"); OUTCOMES];
        let denied = Reason::ALL.iter().map(|reason| ("denied", reason.name()));
        let rest = [("denied", "MALFORMED_REQUEST"), ("error", "UNAVAILABLE"), ("error", "INTERNAL")];
        all[1..].iter_mut().zip(denied.chain(rest)).for_each(|(slot, labels)| *slot = labels);
        all
    })
}

/// Returns the index in [`outcome_labels`].
fn outcome_index(outcome: CheckOutcome<'_>) -> usize {
    match outcome {
        CheckOutcome::Allowed => 0,
        CheckOutcome::Denied(denial) => 1 + denial.reason as usize,
        CheckOutcome::Malformed => OUTCOMES - 3,
        CheckOutcome::Error(SystemError::Unavailable { .. }) => OUTCOMES - 2,
        CheckOutcome::Error(SystemError::Internal(_)) => OUTCOMES - 1,
    }
}

fn sources_and_entrypoints() -> impl Iterator<Item = (DecisionSource, Entrypoint)> {
    DecisionSource::ALL.into_iter().flat_map(|source| Entrypoint::ALL.map(|entrypoint| (source, entrypoint)))
}

fn duration_index(source: DecisionSource, entrypoint: Entrypoint) -> usize {
    source as usize * ENTRYPOINTS + entrypoint as usize
}

fn cell_index(end: usize, source: DecisionSource, entrypoint: Entrypoint) -> usize {
    end * SOURCES * ENTRYPOINTS + duration_index(source, entrypoint)
}

/// Returns the index of a duration's bucket.
fn bucket_index(took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    CHECK_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(CHECK_BOUNDS.len())
}

#[cfg(test)]
mod tests {
    use latchkey_core::decision::Denial;

    use super::*;

    fn sample(outcome: CheckOutcome<'_>, took: Duration) -> CheckSample<'_> {
        let lookups = LookupCounts { hits: 1, negative_hits: 0, misses: 0 };
        CheckSample {
            profile: 3,
            outcome,
            source: DecisionSource::Cache,
            entrypoint: Entrypoint::ExtAuthz,
            took,
            lookups,
        }
    }

    #[test]
    fn every_end_is_counted_under_its_own_name() {
        let counters = ShardedCounters::new();
        let denials: Vec<Denial> = Reason::ALL.iter().map(|reason| Denial::new(*reason)).collect();
        let (outage, fault) = (SystemError::database(), SystemError::Internal(String::new()));
        let rest = [
            CheckOutcome::Allowed,
            CheckOutcome::Malformed,
            CheckOutcome::Error(&outage),
            CheckOutcome::Error(&fault),
        ];
        let ends = u64::try_from(denials.len() + rest.len()).unwrap();
        for outcome in denials.iter().map(CheckOutcome::Denied).chain(rest) {
            counters.count(&sample(outcome, Duration::ZERO));
            let mut found = Vec::new();
            counters
                .checks(3, |end, source, entrypoint, count| found.push((end.1, source, entrypoint, count)));
            assert!(
                found.contains(&(outcome.reason(), DecisionSource::Cache, Entrypoint::ExtAuthz, 1)),
                "{outcome:?}"
            );
        }
        let mut other = 0;
        counters.checks(4, |_, _, _, _| other += 1);
        assert_eq!((other, counters.lookups()), (0, [ends, 0, 0]));
    }

    #[test]
    fn a_time_on_a_bound_is_within_it() {
        let counters = ShardedCounters::new();
        for nanos in [0, 10_000, 10_001, 1_000_000_000, 1_000_000_001] {
            counters.count(&sample(CheckOutcome::Allowed, Duration::from_nanos(nanos)));
        }
        let mut visited = Vec::new();
        counters.times(|_, _, buckets, sum| visited.push((buckets, sum)));
        let (buckets, sum) = &visited[0];
        assert_eq!((buckets[0], buckets[1], buckets[14], buckets[15], visited.len()), (2, 1, 1, 1, 1));
        assert!((sum - 2.000_020_002).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn counts_of_parallel_threads_are_complete() {
        let counters = ShardedCounters::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    (0..500).for_each(|_| counters.count(&sample(CheckOutcome::Allowed, Duration::ZERO)));
                });
            }
        });
        let mut sum = 0;
        counters.checks(3, |_, _, _, count| sum += count);
        assert_eq!(sum, 10_000);
    }
}
