//! Durations of database queries, by kind and outcome. All histograms exist from the start; recording is two additions,
//! by a caller that has just waited for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latchkey_core::ports::timing::{QueryKind, QueryOutcome, QueryTimer};
use latchkey_core::time::{Clock, MonotonicInstant, nanos};

use super::definitions::{self, QUERY_BOUNDS};
use super::metric::{MetricSnapshot, Value, bucket_index};

/// Histogram of durations: count of each bucket, and the sum in nanoseconds.
#[derive(Default)]
struct DurationHistogram {
    buckets: [AtomicU64; QUERY_BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// Timer of database queries.
pub struct QueryDurations {
    clock: Arc<dyn Clock>,
    /// OpenTelemetry's name of the database system.
    system: &'static str,
    /// Histograms by kind and outcome.
    times: [[DurationHistogram; QueryOutcome::ALL.len()]; QueryKind::ALL.len()],
}

impl QueryDurations {
    /// Creates a timer for the embedded database (SQLite) or for PostgreSQL.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, embedded: bool) -> Self {
        let system = if embedded { "sqlite" } else { "postgresql" };
        Self { clock, system, times: Default::default() }
    }

    /// Adds the histograms that are not empty to a snapshot.
    pub fn collect(&self, snapshot: &mut MetricSnapshot) {
        for (kind, ends) in QueryKind::ALL.iter().zip(&self.times) {
            for (end, times) in QueryOutcome::ALL.iter().zip(ends) {
                let buckets: Vec<u64> = times.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
                if buckets.iter().any(|count| *count > 0) {
                    let sum = Duration::from_nanos(times.nanos.load(Relaxed)).as_secs_f64();
                    let labels = [self.system, kind.name(), end.name()];
                    snapshot.push(&definitions::QUERY_DURATION, &labels, Value::Histogram(buckets, sum));
                }
            }
        }
    }
}

impl QueryTimer for QueryDurations {
    fn start(&self) -> MonotonicInstant {
        self.clock.monotonic()
    }

    fn stop(&self, kind: QueryKind, end: QueryOutcome, began: MonotonicInstant) {
        let took = self.clock.monotonic().since(began);
        let times = &self.times[kind as usize][end as usize];
        times.buckets[bucket_index(QUERY_BOUNDS, took)].fetch_add(1, Relaxed);
        times.nanos.fetch_add(nanos(took), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use latchkey_core::time::{Moment, Timestamp};

    use super::*;

    /// Clock that advances by a second with each reading.
    #[derive(Default)]
    struct SteppingClock(AtomicU64);

    impl Clock for SteppingClock {
        fn now(&self) -> Moment {
            Moment {
                wall: Timestamp(0),
                monotonic: MonotonicInstant(self.0.fetch_add(1_000_000_000, Relaxed)),
            }
        }
    }

    #[test]
    fn every_query_kind_and_outcome_is_reported_by_name_and_unused_ones_are_not() {
        let query_durations = QueryDurations::new(Arc::new(SteppingClock::default()), true);
        for kind in QueryKind::ALL {
            for end in QueryOutcome::ALL {
                query_durations.stop(*kind, end, query_durations.start());
            }
        }
        query_durations.stop(QueryKind::FindKey, QueryOutcome::Ok, query_durations.start());
        let mut snapshot = MetricSnapshot::default();
        query_durations.collect(&mut snapshot);
        assert_eq!(
            (snapshot.0.len(), snapshot.0[0].points.len()),
            (1, QueryKind::ALL.len() * QueryOutcome::ALL.len())
        );
        let first = &snapshot.0[0].points[0];
        assert_eq!(first.labels, ["sqlite", "find_key", "ok"]);
        let Value::Histogram(buckets, sum) = &first.value else { panic!("a histogram") };
        assert_eq!((buckets[6], buckets.iter().sum::<u64>(), buckets.len()), (2, 2, 10), "a second each");
        assert!((sum - 2.0).abs() < 1e-9, "{sum}");
        let mut nothing = MetricSnapshot::default();
        QueryDurations::new(Arc::new(SteppingClock::default()), false).collect(&mut nothing);
        assert!(nothing.0.is_empty());
    }

    #[test]
    fn the_documentation_has_every_operation() {
        let rows = QueryKind::ALL.iter().map(|q| format!("| `{}` | {} |\n", q.name(), q.description()));
        let table = format!("| `operation` | what is asked |\n|---|---|\n{}", rows.collect::<String>());
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/telemetry.md");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&table), "docs/telemetry.md must have:\n{table}");
    }
}
