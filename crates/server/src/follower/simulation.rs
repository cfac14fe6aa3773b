//! Simulation of fleets: real followers, caches and gates on a database in memory, under faults that are drawn from a
//! seed. Time is virtual, and every schedule runs on one thread, so that a seed gives the same faults again.
//!
//! `LATCHKEY_SIMULATION_SEED` runs one seed, a number of times: Tokio wakes tasks that wait for the same thing in a
//! random order. `LATCHKEY_SIMULATION_SCHEDULES` sets the number of seeds.

mod checker;
mod database;
mod fixture;
mod link;
mod pause;
mod ports;
mod process;
mod schedule;
mod surroundings;
mod unused;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use self::checker::Counts;

/// Number of schedules by default.
const SCHEDULES: u64 = 20_000;
/// Number of times that one seed is run.
const REPETITIONS: u32 = 50;
/// Number of schedules within which a broken variant must be found out.
const SCHEDULES_OF_A_VARIANT: u64 = 20_000;

/// Variant of the program, or of the simulated faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// The program as it is.
    Real,
    /// The cache is trusted for ever.
    EndlessLease,
    /// A person who deletes the row of a replica also makes the counters agree.
    HiddenRow,
    /// A row that a person puts back has the version of the copy.
    HiddenRestore,
    /// Followers do not learn that something was looked up that the feed has not shown.
    UnnoticedReads,
}

/// Report of a schedule.
#[derive(Debug)]
struct Report {
    seed: u64,
    violation: Option<String>,
    trace: String,
    counts: Counts,
}

fn run(seed: u64, variant: Variant) -> Report {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(schedule::run(seed, variant))
}

/// Runs schedules until one breaks a rule with such a text. Returns the first report of that kind, and the sum of all
/// counts.
fn run_all(schedules: u64, variant: Variant, rule: &str) -> (Option<Report>, Counts) {
    let next = AtomicU64::new(0);
    let found = Mutex::new((None, Counts::default()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= schedules {
                        return;
                    }
                    let report = run(seed, variant);
                    let (first, counts) = &mut *found.lock().unwrap();
                    counts.add(report.counts);
                    if report.violation.as_ref().is_some_and(|text| text.contains(rule)) {
                        next.store(schedules, Ordering::SeqCst);
                        first.get_or_insert(report);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Returns the number that a variable of the environment has.
fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the length of the test is configurable")]
    let value = std::env::var(name).ok()?;
    value.parse().ok()
}

#[test]
fn no_schedule_of_faults_breaks_the_promise() {
    if let Some(seed) = setting("LATCHKEY_SIMULATION_SEED") {
        for _ in 0..REPETITIONS {
            let report = run(seed, Variant::Real);
            assert_eq!(report.violation, None, "seed {seed}:\n{}", report.trace);
        }
        return;
    }
    let schedules = setting("LATCHKEY_SIMULATION_SCHEDULES").unwrap_or(SCHEDULES);
    let (found, counts) = run_all(schedules, Variant::Real, "");
    if let Some(report) = found {
        panic!("seed {} breaks a rule: {:?}\n{}", report.seed, report.violation, report.trace);
    }
    println!("{schedules} schedules: {counts:?}");
    assert!(counts.allowed > schedules && counts.denied > schedules, "{counts:?}");
    assert!(counts.revoked > schedules, "{counts:?}");
}

/// Asserts that a broken variant is found out.
fn assert_admits_a_revoked_key(variant: Variant) {
    assert_breaks(variant, "which was revoked");
}

/// Asserts that a broken variant is found out by the rule whose violations have this text.
fn assert_breaks(variant: Variant, rule: &str) {
    let (found, _) = run_all(SCHEDULES_OF_A_VARIANT, variant, rule);
    let found = found.expect("the simulation finds out the broken variant");
    println!("seed {}: {:?}", found.seed, found.violation);
}

#[test]
fn a_lease_without_end_is_detected() {
    assert_admits_a_revoked_key(Variant::EndlessLease);
}

#[test]
fn a_holder_whose_row_was_deleted_is_detected() {
    assert_admits_a_revoked_key(Variant::HiddenRow);
}

#[test]
fn a_row_that_is_restored_without_a_trace_is_detected() {
    assert_admits_a_revoked_key(Variant::HiddenRestore);
}

#[test]
fn a_look_up_of_a_lost_change_that_was_not_applied_is_detected() {
    assert_breaks(Variant::UnnoticedReads, "by a state that the database does not have");
}
