//! Test that counting a Check allocates nothing. It is alone in its program, since it replaces the global allocator.

use std::hint::black_box;
use std::sync::Arc;

use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::observer::{CheckEvent, CheckObserver as _, CheckOutcome, Entrypoint, NoMetadata};
use latchkey_core::reason::Reason;
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_profile::Profile;
use latchkey_telemetry::MetricsObserver;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1), monotonic: MonotonicInstant(50_000) }
    }
}

#[test]
fn a_check_is_counted_without_an_allocation() {
    let document = include_str!("../../../profiles/paykore.toml");
    let profile = Profile::compile(document, 1).expect("the example profile compiles");
    let (metrics, denial) = (MetricsObserver::new(Arc::new(FixedClock)), Denial::new(Reason::Revoked));
    let seen = DecisionContext { policy: Some(profile.policy.clone()), ..DecisionContext::default() };
    let count = |outcome: CheckOutcome<'_>| {
        let (entrypoint, method, sent) = (Entrypoint::ExtAuthz, "GET", &NoMetadata);
        metrics.on_check(black_box(&CheckEvent {
            entrypoint,
            outcome,
            context: &seen,
            request_id: "r",
            method,
            metadata: sent,
        }));
    };
    // The first Check allocates the profile's table in this thread's shard.
    count(CheckOutcome::Allowed);
    let _profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..1_000 {
        count(CheckOutcome::Allowed);
        count(CheckOutcome::Denied(&denial));
    }
    let counted = dhat::HeapStats::get().total_blocks;
    drop(black_box(String::from("the profiler counts this allocation")));
    assert_eq!((counted, dhat::HeapStats::get().total_blocks), (0, 1));
}
