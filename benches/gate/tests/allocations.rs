//! A Check of a remembered key allocates nothing: counted, not believed.

use std::hint::black_box;
use std::task::{Context, Poll, Waker};

use latchkey_bench_gate::World;
use latchkey_core::access::{Access, Path, Presented};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn now<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a remembered key had to wait"),
    }
}

#[test]
fn a_remembered_key_is_judged_without_an_allocation() {
    let world = now(World::with_keys(100));
    let profile = world.catalog.named("paykore").expect("the profile is in force");
    let check = |value: &str| {
        let access = Access {
            credential: Presented::of(value),
            method: "GET",
            path: Path::Canonical("/v1/wallets".into()),
            ..Access::default()
        };
        let verdict = world.gate.check_at_once(Some(&profile.policy), &access);
        let verdict = verdict.expect("it is remembered").expect("there is a decision");
        assert!(verdict.denied().is_none(), "it passes");
    };
    // Its first calls find their buckets and their places in the count of uses.
    world.values.iter().for_each(|value| check(value));
    let _profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..10 {
        world.values.iter().for_each(|value| check(black_box(value)));
    }
    let judged = dhat::HeapStats::get().total_blocks;
    drop(black_box(String::from("and the counter counts")));
    let counted = dhat::HeapStats::get().total_blocks;
    assert_eq!((judged, counted), (0, 1));
}
