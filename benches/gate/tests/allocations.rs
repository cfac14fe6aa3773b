//! A Check of a cached key allocates no memory.

use std::hint::black_box;

use latchkey_bench_gate::{GateFixture, Workload, poll_ready};
use latchkey_core::check_input::{CheckInput, Path, PresentedCredential};
use latchkey_core::decision::{Decision, DecisionContext};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[test]
fn a_check_of_a_cached_key_does_not_allocate() {
    let fixture = GateFixture::new(&Workload { keys: 100, ..Workload::default() });
    let policy = fixture.policy();
    let values: Vec<String> = (0..100).map(|number| fixture.key_value(number)).collect();
    let check = |value: &str| {
        let access = CheckInput {
            credential: PresentedCredential::of(value),
            method: "GET",
            path: Path::Canonical("/v1/wallets".into()),
            ..CheckInput::default()
        };
        let mut seen = DecisionContext::default();
        let decision = poll_ready(fixture.gate.check_into(Some(&policy), &access, &mut seen));
        let decision = decision.expect("a decision");
        assert!(matches!(decision, Decision::Allow(_)), "the key is allowed");
    };
    // The first calls create their buckets and usage counters.
    for value in &values {
        check(value);
    }
    let _profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..10 {
        for value in &values {
            check(black_box(value));
        }
    }
    let judged = dhat::HeapStats::get().total_blocks;
    drop(black_box(String::from("an allocation that must be counted")));
    let counted = dhat::HeapStats::get().total_blocks;
    assert_eq!((judged, counted), (0, 1));
}
