//! How long the database took, by what it was asked and how that ended. There are as many cells as there are sorts of
//! questions, all from the start; counting is two additions, of whoever waited for a database anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latchkey_core::ports::timing::{End, Question, Stopwatch};
use latchkey_core::time::{Clock, Tick, nanos};

use super::catalogue::{self, QUERY_BOUNDS};
use super::metric::{Sheet, Value, slice};

/// How often a time fell between the bounds, and all of it together in nanoseconds.
#[derive(Default)]
struct Times {
    slices: [AtomicU64; QUERY_BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// Takes the time of what the database is asked.
pub struct Queries {
    clock: Arc<dyn Clock>,
    /// Which database it is, as OpenTelemetry calls it.
    system: &'static str,
    /// By question and end.
    times: [[Times; End::ALL.len()]; Question::ALL.len()],
}

impl Queries {
    /// Of the embedded database or of PostgreSQL, by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, embedded: bool) -> Self {
        let system = if embedded { "sqlite" } else { "postgresql" };
        Self { clock, system, times: Default::default() }
    }

    /// Writes down what there was.
    pub fn tell(&self, sheet: &mut Sheet) {
        for (question, ends) in Question::ALL.iter().zip(&self.times) {
            for (end, times) in End::ALL.iter().zip(ends) {
                let slices: Vec<u64> = times.slices.iter().map(|slice| slice.load(Relaxed)).collect();
                if slices.iter().any(|count| *count > 0) {
                    let sum = Duration::from_nanos(times.nanos.load(Relaxed)).as_secs_f64();
                    let labels = [self.system, question.name(), end.name()];
                    sheet.put(&catalogue::QUERY_DURATION, &labels, Value::Spread(slices, sum));
                }
            }
        }
    }
}

impl Stopwatch for Queries {
    fn start(&self) -> Tick {
        self.clock.tick()
    }

    fn stop(&self, question: Question, end: End, began: Tick) {
        let took = self.clock.tick().since(began);
        let times = &self.times[question as usize][end as usize];
        times.slices[slice(QUERY_BOUNDS, took)].fetch_add(1, Relaxed);
        times.nanos.fetch_add(nanos(took), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use latchkey_core::time::{Moment, Timestamp};

    use super::*;

    /// Each look is a second later.
    #[derive(Default)]
    struct Steps(AtomicU64);

    impl Clock for Steps {
        fn now(&self) -> Moment {
            Moment { wall: Timestamp(0), tick: Tick(self.0.fetch_add(1_000_000_000, Relaxed)) }
        }
    }

    #[test]
    fn every_question_is_told_by_its_own_name_and_end_and_nothing_that_never_was() {
        let queries = Queries::new(Arc::new(Steps::default()), true);
        for question in Question::ALL {
            for end in End::ALL {
                queries.stop(*question, end, queries.start());
            }
        }
        queries.stop(Question::FindKey, End::Answered, queries.start());
        let mut sheet = Sheet::default();
        queries.tell(&mut sheet);
        assert_eq!((sheet.0.len(), sheet.0[0].points.len()), (1, Question::ALL.len() * End::ALL.len()));
        let first = &sheet.0[0].points[0];
        assert_eq!(first.labels, ["sqlite", "find_key", "ok"]);
        let Value::Spread(slices, sum) = &first.value else { panic!("a histogram") };
        assert_eq!((slices[6], slices.iter().sum::<u64>(), slices.len()), (2, 2, 10), "a second each");
        assert!((sum - 2.0).abs() < 1e-9, "{sum}");
        let mut nothing = Sheet::default();
        Queries::new(Arc::new(Steps::default()), false).tell(&mut nothing);
        assert!(nothing.0.is_empty());
    }

    #[test]
    fn the_documentation_has_every_operation() {
        let rows = Question::ALL.iter().map(|q| format!("| `{}` | {} |\n", q.name(), q.what()));
        let table = format!("| `operation` | what is asked |\n|---|---|\n{}", rows.collect::<String>());
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/telemetry.md");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&table), "docs/telemetry.md must have:\n{table}");
    }
}
